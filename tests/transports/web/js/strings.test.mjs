import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import enFirst from "../../../../chatroom/transports/web/static/js/browser/strings/en.js";
import enMore from "../../../../chatroom/transports/web/static/js/browser/strings/more-en.js";
import zhMore from "../../../../chatroom/transports/web/static/js/browser/strings/more-zh.js";
import zhFirst from "../../../../chatroom/transports/web/static/js/browser/strings/zh.js";
import { STATIC, modules } from "./sources.mjs";

const en = { ...enFirst, ...enMore };
const zh = { ...zhFirst, ...zhMore };

const about = { id: 401, name: "<N>", text: "<T>", count: 402, known: 403, code: 404, seconds: 405, words: "<W>" };
const fill = (words) => (typeof words === "function" ? words(about) : words);

test("both languages say the same things, and all of them", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [name, words] of [...Object.entries(en), ...Object.entries(zh)]) {
    assert.ok(fill(words).length > 0, name);
    assert.doesNotMatch(fill(words), /undefined|\[object/, name);
  }
});

test("a word comes at once or later, in both languages alike", () => {
  assert.deepEqual(Object.keys(zhFirst).sort(), Object.keys(enFirst).sort());
  for (const name of Object.keys(enMore)) assert.ok(!(name in enFirst), name);
});

test("a text about something names it in both languages", () => {
  for (const name of Object.keys(en)) {
    assert.equal(typeof zh[name], typeof en[name], name);
    for (const [key, value] of Object.entries(about)) {
      assert.equal(fill(zh[name]).includes(value), fill(en[name]).includes(value), `${name}: ${key}`);
    }
  }
});

test("one is not many, also when it is written out", () => {
  for (const count of [1, "1"]) assert.equal(en.charactersLeft({ count }), "1 character left");
  assert.equal(en.charactersLeft({ count: "1,001" }), "1,001 characters left");
});

test("every text that the page asks for is there, and none that it does not", () => {
  const page = readFileSync(new URL("index.html", STATIC), "utf8");
  const code = modules().filter(({ name }) => !name.includes("/strings/")).map((module) => module.code).join("\n");
  const asked = [...page.matchAll(/data-t(?:-\w+)?="(\w+)"/g), ...code.matchAll(/\bt\("(\w+)"/g)].map((match) => match[1]);
  for (const name of asked) assert.ok(name in en, name);
  for (const name of Object.keys(en)) {
    const used = asked.includes(name) || code.includes(`"${name}"`) || /^reason\d+$/.test(name);
    assert.ok(used, `${name} is never used`);
  }
});
