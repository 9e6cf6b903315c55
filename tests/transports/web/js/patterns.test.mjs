import assert from "node:assert/strict";
import { test } from "node:test";

import { modules } from "./sources.mjs";

/** A pattern as the modules write them: behind what no division stands behind. */
const PATTERN = /[(,=:?&|!]\s*\/((?:[^\/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/[a-z]*/g;

/**
 * What makes the work grow with the square of the text, or worse: a run without a bound that has to
 * reach the end, and is tried from each of its characters; and a run of runs.
 */
function grows(pattern) {
  const runsToTheEnd = /(?:[+*]|\{\d+,\})\)*\$$/.test(pattern) && !pattern.startsWith("^");
  return runsToTheEnd || /[+*]\)(?:[+*]|\{\d+,\})/.test(pattern);
}

test("the work of no pattern grows faster than the text", () => {
  assert.ok(grows("\\s+$") && grows("^\\s*\\n|\\s+$".split("|")[1]) && grows("^(a+)+b"));
  let found = 0;
  for (const { name, code } of modules()) {
    const source = code.replace(/^\s*(?:\/\/|\*|\/\*\*).*$/gm, "");
    for (const [, pattern] of source.matchAll(PATTERN)) {
      found += 1;
      for (const choice of pattern.split("|")) assert.ok(!grows(choice), `${name}: /${pattern}/`);
    }
  }
  assert.ok(found > 15, `only ${found} patterns were found`);
});
