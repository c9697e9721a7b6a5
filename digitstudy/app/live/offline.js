// Keeps the page's files, so that it opens without a network too. Where there is one, each file is asked for anew.

import { FILES } from "./constants.js";

const kept = caches.open("digitstudy-live");

async function answer(request) {
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await (await kept).put(request, fresh.clone());
    return fresh;
  } catch {
    return (await (await kept).match(request)) ?? Response.error();
  }
}

oninstall = (event) => event.waitUntil(kept.then((files) => files.addAll(FILES)));
onfetch = (event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(registration.scope)) event.respondWith(answer(event.request));
};
