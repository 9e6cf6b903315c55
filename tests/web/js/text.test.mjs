import assert from "node:assert/strict";
import { test } from "node:test";

import { parse, summary } from "../../../chatroom/web/static/js/text.js";

const text = (value) => ({ type: "text", text: value });
const code = (value) => ({ type: "code", text: value });
const links = (content) =>
  parse(content).flatMap((block) => block.parts ?? []).filter((part) => part.type === "link");

test("plain text stays as it is, markup included", () => {
  const content = "<img src=x onerror=alert(1)> & \"quotes\"\n\n  spaces  ";
  assert.deepEqual(parse(content), [{ type: "text", parts: [text(content)] }]);
});

test("a fenced block is set apart without its fences and its language", () => {
  assert.deepEqual(parse("see:\n```py\nx = `1`\n\ny\n```\nand so on"), [
    { type: "text", parts: [text("see:")] },
    code("x = `1`\n\ny"),
    { type: "text", parts: [text("and so on")] },
  ]);
  assert.deepEqual(parse("```one line```"), [code("one line")]);
});

test("a fence that is never closed, or stands within a line, is text", () => {
  assert.deepEqual(parse("```\nopen"), [{ type: "text", parts: [text("```\nopen")] }]);
  assert.equal(parse("a ```b``` c")[0].type, "text");
});

test("inline code holds no links", () => {
  assert.deepEqual(parse("run `curl http://a.example` now")[0].parts, [
    text("run "),
    code("curl http://a.example"),
    text(" now"),
  ]);
});

test("a link ends before the punctuation of its sentence", () => {
  const found = (content) => links(content).map((link) => link.text);
  assert.deepEqual(found("See https://example.org/a?b=c&d=e#f."), ["https://example.org/a?b=c&d=e#f"]);
  assert.deepEqual(found("(https://example.org/a)"), ["https://example.org/a"]);
  assert.deepEqual(found("https://example.org/a_(b)!?"), ["https://example.org/a_(b)"]);
  assert.deepEqual(found("文档在https://example.org/文档，请看。"), ["https://example.org/文档"]);
  assert.deepEqual(found("http://a.example,https://b.example"), ["http://a.example,https://b.example"]);
});

test("only http and https are links", () => {
  for (const content of ["javascript:alert(1)", "data:text/html,x", "ftp://a.example", "https://", "http://[", "xhttp://a.example"]) {
    assert.deepEqual(links(content), [], content);
  }
});

test("invisible characters can't hide where a link leads", () => {
  const [link] = links("https://good.example\u202Emoc.live\u202C");
  assert.equal(link.href, "https://good.example/");
});

test("all of the text is kept, whatever it is", () => {
  const flat = (content) =>
    parse(content).map((block) => block.text ?? block.parts.map((part) => part.text).join("")).join("");
  for (const content of ["a http://x.example b https://y.example", "http://x.example)", "\u0000weird\u0007", "`", "``", "` `"]) {
    assert.equal(flat(content).replaceAll("`", ""), content.replaceAll("`", ""));
  }
});

test("long and hostile texts come to an end", () => {
  for (const piece of ["`", "```", "```\n", "http://a", "(", "https://a.example/)", "`a"]) {
    assert.ok(parse(piece.repeat(4000 / piece.length)).length > 0, piece);
  }
});

test("a summary is one line", () => {
  assert.equal(summary("a\n\n`b`  c"), "a b c");
  assert.equal(summary("x".repeat(500)).length, 120);
});
