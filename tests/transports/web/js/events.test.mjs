import assert from "node:assert/strict";
import { test } from "node:test";

import { Events } from "../../../../chatroom/transports/web/static/js/base/events.js";

test("what one listener throws is reported, and nothing to the others or to who tells it", () => {
  const reported = [];
  const later = globalThis.queueMicrotask;
  globalThis.queueMicrotask = (call) => reported.push(call);
  try {
    const events = new Events();
    const heard = [];
    events.on("said", () => {
      throw new Error("out of the blue");
    });
    events.on("said", (what) => heard.push(what));
    events.emit("said", "hello");
    assert.deepEqual(heard, ["hello"]);
    assert.equal(reported.length, 1);
    assert.throws(reported[0], /out of the blue/);
  } finally {
    globalThis.queueMicrotask = later;
  }
});
