import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import enFirst from "../../../../chatroom/transports/web/static/js/strings-en.js";
import enMore from "../../../../chatroom/transports/web/static/js/strings-more-en.js";
import zhMore from "../../../../chatroom/transports/web/static/js/strings-more-zh.js";
import zhFirst from "../../../../chatroom/transports/web/static/js/strings-zh.js";

const en = { ...enFirst, ...enMore };
const zh = { ...zhFirst, ...zhMore };

const STATIC = new URL("../../../../chatroom/transports/web/static/", import.meta.url);
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
  const modules = readdirSync(new URL("js/", STATIC)).filter((name) => !name.startsWith("strings-"));
  const code = modules.map((name) => readFileSync(new URL(`js/${name}`, STATIC), "utf8")).join("\n");
  const asked = [...page.matchAll(/data-t(?:-\w+)?="(\w+)"/g), ...code.matchAll(/\bt\("(\w+)"/g)].map((match) => match[1]);
  for (const name of asked) assert.ok(name in en, name);
  for (const name of Object.keys(en)) {
    const used = asked.includes(name) || code.includes(`"${name}"`) || /^reason\d+$/.test(name);
    assert.ok(used, `${name} is never used`);
  }
});
