// The page's files, for tests that read them.

import { readFileSync, readdirSync } from "node:fs";

export const STATIC = new URL("../../../../chatroom/transports/web/static/", import.meta.url);

/** The modules in a folder of `STATIC` and below, each as {name, code}. */
export function modules(folder = "js/") {
  return readdirSync(new URL(folder, STATIC), { withFileTypes: true }).flatMap(({ name }) => {
    const path = folder + name;
    if (!name.endsWith(".js")) return modules(`${path}/`);
    return [{ name: path, code: readFileSync(new URL(path, STATIC), "utf8") }];
  });
}
