import assert from "node:assert/strict";
import { test } from "node:test";

import { clean, parse, summary } from "../../../../chatroom/transports/web/static/js/base/text.js";

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

test("Chinese, Japanese, Korean or Thai directly behind a link is no part of it", () => {
  const found = (content) => links(content).map((link) => link.text);
  assert.deepEqual(found("详见https://example.com谢谢大家"), ["https://example.com"]);
  assert.deepEqual(found("详见https://example.com/a谢谢大家"), ["https://example.com/a"]);
  assert.deepEqual(found("详见https://example.com/a?b=c谢谢"), ["https://example.com/a?b=c"]);
  assert.deepEqual(found("https://example.com/aです https://example.com에서 https://example.com/xครับ"), [
    "https://example.com/a",
    "https://example.com",
    "https://example.com/x",
  ]);
  assert.deepEqual(found("“https://example.com/a”…https://example.com/b—好"), ["https://example.com/a", "https://example.com/b"]);
  assert.deepEqual(found("（https://example.com/a）。"), ["https://example.com/a"]);
  // Behind a mark it is the name of a page, as are letters of other scripts anywhere.
  assert.deepEqual(found("https://example.org/wiki/北京?标题=南京 https://example.org/Käse"), [
    "https://example.org/wiki/北京?标题=南京",
    "https://example.org/Käse",
  ]);
});

test("a site is known by its www, and a mail address by its @", () => {
  assert.deepEqual(links("see www.example.org/a, or www.example or www."), [
    { type: "link", text: "www.example.org/a", href: "https://www.example.org/a" },
  ]);
  assert.deepEqual(links("请写信给a.b+c@mail.example.org。谢谢"), [
    { type: "link", text: "a.b+c@mail.example.org", href: "mailto:a.b+c@mail.example.org" },
  ]);
  for (const content of ["@", "a@", "@b.example", "a@b", "http@", "wwww.a.example"]) assert.deepEqual(links(content), [], content);
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

const em = (...parts) => ({ type: "em", parts });
const strong = (...parts) => ({ type: "strong", parts });
const inline = (content) => parse(content)[0].parts;

test("stars make weight and emphasis, also within one another and in Chinese", () => {
  assert.deepEqual(inline("a **bold** and *slanted* word"), [
    text("a "),
    strong(text("bold")),
    text(" and "),
    em(text("slanted")),
    text(" word"),
  ]);
  assert.deepEqual(inline("这是**重点**内容"), [text("这是"), strong(text("重点")), text("内容")]);
  assert.deepEqual(inline("**a *b* `c*` https://x.example/**"), [
    strong(text("a "), em(text("b")), text(" "), code("c*"), text(" "), { type: "link", text: "https://x.example/", href: "https://x.example/" }),
  ]);
});

test("stars that belong to nothing are stars", () => {
  const all = ["2*3*4", "2 * 3 * 4", "2**3**4", "*open", "**open", "close*", "a * *", "**", "****", "*a\nb*", "*.js, *.py", "***"];
  for (const content of all) assert.deepEqual(parse(content), [{ type: "text", parts: [text(content)] }], content);
  assert.deepEqual(inline("*a **b* c**"), [em(text("a **b")), text(" c**")]);
});

test("lines with a mark before them are a quote or a list", () => {
  assert.deepEqual(parse("> said\n> **before**\nanswer"), [
    { type: "quote", parts: [text("said\n"), strong(text("before"))] },
    { type: "text", parts: [text("answer")] },
  ]);
  assert.deepEqual(parse("- a\n- *b*\n3. c\n4. d\n>:( no quote"), [
    { type: "list", first: null, items: [[text("a")], [em(text("b"))]] },
    { type: "list", first: 3, items: [[text("c")], [text("d")]] },
    { type: "text", parts: [text(">:( no quote")] },
  ]);
  assert.equal(parse("-5 degrees\n3.14")[0].type, "text");
});

test("all of the text is kept, whatever it is", () => {
  const flat = (content) =>
    parse(content).map((block) => block.text ?? block.parts.map((part) => part.text).join("")).join("");
  for (const content of ["a http://x.example b https://y.example", "http://x.example)", "\u0000weird\u0007", "`", "``", "` `"]) {
    assert.equal(flat(content).replaceAll("`", ""), content.replaceAll("`", ""));
  }
});

/** All of the text, as it is read. */
function read(parts) {
  return parts.map((part) => part.text ?? read(part.parts)).join("");
}

test("long and hostile texts come to an end, and lose nothing", () => {
  const pieces = ["`", "```", "```\n", "http://a", "(", "https://a.example/)", "`a", " ", "\n", "\t\n", "*", "**", "* ", " *a", "**a ", "*a\n",
    "> ", "- ", "a@", "a.", "a@a.", "a@a.a", "www.", "www.a", "https://a谢", "https://", "https://a.example/谢a", ")", "1. ", "``` "];
  for (const piece of pieces) {
    const content = piece.repeat(100_000 / piece.length);
    const blocks = parse(content);
    assert.ok(blocks.length > 0, piece);
    if (!/[`>*-]|1\. /.test(piece)) assert.equal(read(blocks[0].parts), content, piece);
  }
});

test("what is written loses what is blank around it, however much that is", () => {
  const blank = " ".repeat(100_000);
  assert.equal(clean(blank), "");
  assert.equal(clean(`a${blank}b${blank}`), `a${blank}b`);
  assert.equal(clean(`${blank}\n${blank}\n  a\n b\n${blank}`), "  a\n b");
  assert.equal(clean("  a"), "  a");
  assert.equal(clean("\0a\uD800\0"), "a\uFFFD");
});

test("a summary is one line", () => {
  assert.equal(summary("a\n\n`b`  c"), "a b c");
  assert.equal(summary("x".repeat(500)).length, 120);
});
