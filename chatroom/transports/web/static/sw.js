// Shows the page while the server is away. The server is asked first, so nothing is older than what
// it has. `chatroom.transports.web.files` puts VERSION and FILES above this; all else goes past here.

const CACHE = `chatroom-${VERSION}`;
/** Milliseconds: who says nothing for so long is away. */
const AWAY = 8_000;
let awayUntil = 0;

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(forget()));
addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method === "GET" && origin === location.origin && FILES.includes(pathname)) {
    event.respondWith(answer(event.request, pathname));
  }
});

/** One version as a whole, or none. */
async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((path) => new Request(path, { cache: "no-cache" })));
  await skipWaiting();
}

async function forget() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
}

async function answer(request, path) {
  // A page that comes from here gets its parts from here, too, as they belong together.
  if (request.mode === "navigate" || Date.now() > awayUntil) {
    try {
      const response = await fetch(request, { signal: AbortSignal.timeout(AWAY) });
      if (response.status < 500) {
        awayUntil = 0;
        return response;
      }
    } catch {
      // Away.
    }
    awayUntil = Date.now() + AWAY;
  }
  return (await caches.match(path)) ?? Response.error();
}
