// Plays a scenario at the live page in a real Chromium and prints as JSON what was seen: `node scenarios.mjs NAME '{"address": …, "browser": …}'`.

import { createServer } from "node:http";
import { readdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [, , name, json] = process.argv;
const told = JSON.parse(json);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const FAKE = ["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${told.film}`];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A page in a new browser, that notes what must not be: other hosts asked, the policy broken, errors of the page's own. */
async function open({ args = [], permissions = [], block = [], size = [1280, 800], dark = false, ready = true } = {}) {
  const browser = await chromium.launch({ executablePath: told.browser, args: [...QUIET, ...args] });
  const [width, height] = size;
  const context = await browser.newContext({ viewport: { width, height }, permissions, colorScheme: dark ? "dark" : "light" });
  const faults = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(told.address) && !/^(blob|data):/.test(request.url())) faults.push(`asked for ${request.url()}`);
  });
  for (const file of block) await context.route(`**/${file}`, (route) => route.fulfill({ status: 404, body: "not here" }));
  const page = await context.newPage();
  page.setDefaultTimeout(3_600_000); // a watchdog, not a limit
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(`policy: ${message.text()}`);
  });
  await page.goto(told.address);
  if (ready) await page.waitForSelector("#loading", { state: "hidden" });
  return { browser, page, faults };
}

const text = (page, id) => page.locator(`#${id}`).textContent();
const digits = async (page) => (await now(page)).digits;
const trouble = async (page) => ((await page.locator("#trouble").isVisible()) ? text(page, "trouble") : "");

/** What the page says at one moment. */
function now(page) {
  return page.evaluate(() => ({
    digits: [...document.querySelectorAll("#digits b")].map((b) => b.textContent).join(""),
    verdict: document.querySelector("#verdict").textContent,
    pace: parseInt(document.querySelector("#pace").textContent),
  }));
}

const keep = (page, shot) => told.shots && page.screenshot({ path: `${told.shots}/${shot}.png`, fullPage: true });

/** What is said of a picture that stands still, once it is. */
async function answer(page) {
  await page.waitForFunction(() => document.querySelector("#verdict").textContent || !document.querySelector("#trouble").hidden);
  const { digits, verdict } = await now(page);
  return { digits, verdict, trouble: await trouble(page) };
}

/** Does something that makes the page read anew. */
async function after(page, what) {
  await page.evaluate(() => (document.querySelector("#verdict").textContent = ""));
  await what();
  return answer(page);
}

const chooseMode = (page, mode) => page.locator(`#modes input[value=${mode}]`).check({ force: true });

/** Where the answer's frame is drawn: left, top, right, bottom as shares of the stage. */
function frameDrawn(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector("#marks");
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const strong = (x, y) => data[(y * width + x) * 4 + 3] === 255;
    const columns = [...Array(width).keys()].filter((x) => [...Array(height).keys()].filter((y) => strong(x, y)).length > 8);
    const rows = [...Array(height).keys()].filter((y) => [...Array(width).keys()].filter((x) => strong(x, y)).length > 8);
    return columns.length ? [columns[0] / width, rows[0] / height, columns.at(-1) / width, rows.at(-1) / height] : null;
  });
}

/** Draws strokes, given as shares of the sheet, with the mouse. */
async function write(page, strokes) {
  const { x, y, width, height } = await page.locator("#pad").boundingBox();
  for (const [[left, top], ...rest] of strokes) {
    await page.mouse.move(x + left * width, y + top * height);
    await page.mouse.down();
    for (const [right, down] of rest) await page.mouse.move(x + right * width, y + down * height, { steps: 5 });
    await page.mouse.up();
  }
}

/** A file, as a browser hands it to a page that something is dropped on or pasted into. */
function transfer(page, { name, type, base64 }) {
  return page.evaluateHandle(
    ({ name, type, base64 }) => {
      const handed = new DataTransfer();
      handed.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
      return handed;
    },
    { name, type, base64 },
  );
}

/** Processor seconds that the browser's processes, all descendants of this one, have taken until now: field 4 of their stat is the parent, 14 and 15 the time. */
function processorSeconds() {
  const parents = new Map();
  const ticks = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      parents.set(pid, fields[1]);
      ticks.set(pid, Number(fields[11]) + Number(fields[12]));
    } catch {
      continue; // it has just ended
    }
  }
  const ours = (pid) => pid !== undefined && (pid === String(process.pid) || ours(parents.get(pid)));
  return [...ticks].reduce((sum, [pid, time]) => sum + (pid !== String(process.pid) && ours(pid) ? time : 0), 0) / 100;
}

const scenarios = {
  /** Reads pictures as the page does, one after another. */
  async parity() {
    const { browser, page, faults } = await open();
    const readings = await page.evaluate(async (names) => {
      const { startReader } = await import("./loader.js");
      const { bitmapOf, pixelsOf } = await import("./pictures.js");
      const read = await startReader();
      const readings = [];
      for (const name of names) {
        const bitmap = await bitmapOf(await (await fetch(`pictures/${name}`)).blob());
        readings.push({ ...(await read(pixelsOf(bitmap, bitmap.width, bitmap.height))), width: bitmap.width, height: bitmap.height });
      }
      return readings;
    }, told.names);
    await browser.close();
    return { readings, faults };
  },

  /** The camera: what is said every tenth of a second, and of one frame that is frozen. */
  async camera() {
    const { browser, page, faults } = await open({ args: [...FAKE, "--use-fake-ui-for-media-stream"], permissions: ["camera", "clipboard-read", "clipboard-write"] });
    await page.click("#start");
    await page.waitForSelector("#still", { state: "visible" });
    await sleep(1000); // the pace needs a moment
    const said = [];
    for (const start = Date.now(); Date.now() - start < told.milliseconds; await sleep(100)) {
      said.push(await now(page));
    }
    await page.waitForFunction((number) => [...document.querySelectorAll("#digits b")].map((b) => b.textContent).join("") === number, told.number);
    await keep(page, "camera");
    const frozen = await after(page, () => page.click("#freeze"));
    const still = await page.evaluate(() => document.querySelector("#still").toDataURL());
    const drawn = await frameDrawn(page);
    await page.click("#copy");
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    await page.click("#mirror");
    const mirrored = await frameDrawn(page);
    await page.waitForFunction((number) => document.querySelector("#said").textContent === [...number].join(" "), told.number); // announced
    await page.click("#freeze");
    await page.waitForFunction(() => / frames? a second/.test(document.querySelector("#pace").textContent));
    await page.click("#stop");
    const stopped = { invited: await text(page, "invited"), live: await page.evaluate(() => Boolean(document.querySelector("#video").srcObject)) };
    await browser.close();
    return { said, frozen, still, drawn, mirrored, copied, stopped, faults };
  },

  /** Two cameras, of which the other one is chosen, and is then pulled out. */
  async cameras() {
    const args = ["--use-fake-device-for-media-stream=device-count=2", "--use-fake-ui-for-media-stream"];
    const { browser, page, faults } = await open({ args, permissions: ["camera"] });
    const used = () => page.evaluate(() => document.querySelector("#video").srcObject?.getVideoTracks()[0].getSettings().deviceId);
    await page.click("#start");
    await page.waitForSelector("#still", { state: "visible" });
    const first = await used();
    const offered = await page.locator("#camera option").evaluateAll((options) => options.map((option) => option.value));
    await page.selectOption("#camera", offered.find((id) => id !== first));
    await page.waitForFunction((first) => document.querySelector("#video").srcObject?.getVideoTracks()[0].getSettings().deviceId !== first, first);
    await page.waitForSelector("#still", { state: "visible" });
    const second = await used();
    await page.evaluate(() => document.querySelector("#video").srcObject.getVideoTracks()[0].dispatchEvent(new Event("ended")));
    const said = await trouble(page);
    await browser.close();
    return { offered, first, second, said, faults };
  },

  /** The page under a name of its own, opened again when its server is gone. */
  async offline() {
    const kinds = { html: "text/html", css: "text/css", js: "text/javascript", mjs: "text/javascript", svg: "image/svg+xml", wasm: "application/wasm" };
    const server = createServer((request, response) => {
      const file = request.url === "/" ? "index.html" : request.url.slice(1);
      response.setHeader("content-type", kinds[file.split(".").at(-1)] ?? "application/octet-stream");
      response.end(readFileSync(`${told.folder}/${file}`));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    told.address = "http://live.test/";
    const args = [`--host-resolver-rules=MAP live.test 127.0.0.1:${server.address().port}`, "--unsafely-treat-insecure-origin-as-secure=http://live.test"];
    const { browser, page, faults } = await open({ args });
    await page.evaluate(() => navigator.serviceWorker.ready);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await page.reload();
    await page.waitForSelector("#loading", { state: "hidden" });
    await chooseMode(page, "draw");
    const written = await after(page, () => write(page, told.digits));
    await browser.close();
    return { written, faults };
  },

  /** Photos that are dropped, pasted, chosen and picked from the gallery by keyboard, and files that are none. */
  async photos() {
    const { browser, page, faults } = await open({ size: told.size, dark: told.dark });
    const { photo, odd } = told;
    const drop = async (file) => page.dispatchEvent("#stage", "drop", { dataTransfer: await transfer(page, file) });
    const paste = async (file) => page.evaluate((clipboardData) => dispatchEvent(new ClipboardEvent("paste", { clipboardData })), await transfer(page, file));
    const seen = {};
    seen.dropped = await after(page, () => drop(photo));
    await keep(page, "photo");
    seen.pasted = await after(page, () => paste(photo));
    seen.chosen = await after(page, () => page.setInputFiles("#file", { name: photo.name, mimeType: photo.type, buffer: Buffer.from(photo.base64, "base64") }));
    seen.odd = await after(page, () => drop(odd));
    seen.nothing = await after(page, () => page.evaluate(() => dispatchEvent(new ClipboardEvent("paste", { clipboardData: new DataTransfer() }))));
    seen.again = await after(page, () => drop(photo));
    await page.locator("#choose").focus();
    for (const _ of "12") await page.keyboard.press("Tab"); // past the button that copies
    seen.keyboard = await after(page, () => page.keyboard.press("Enter"));
    await page.locator("#modes input[value=photo]").focus();
    await page.keyboard.press("ArrowRight");
    seen.mode = await page.evaluate(() => [document.activeElement.value, !document.querySelector("#pad").hidden]);
    seen.overflow = [];
    for (const mode of ["camera", "photo", "draw"]) {
      await chooseMode(page, mode);
      seen.overflow.push(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth));
    }
    await browser.close();
    return { ...seen, faults };
  },

  /** Digits that are written with the mouse, and taken back. */
  async drawing() {
    const { browser, page, faults } = await open({ size: told.size, dark: told.dark });
    await chooseMode(page, "draw");
    const written = [];
    for (const strokes of told.digits) {
      await write(page, strokes);
      await sleep(200);
      await page.waitForFunction(() => document.querySelector("#verdict").textContent);
      written.push(await digits(page));
    }
    await keep(page, "drawing");
    const less = await after(page, () => page.click("#undo"));
    await page.click("#clear");
    const cleared = [await digits(page), await page.isDisabled("#copy")];
    await browser.close();
    return { written, less: less.digits, cleared, faults };
  },

  /** What is said where something is missing or refused. */
  async troubles() {
    const faults = [];
    async function say(settings, start) {
      const { browser, page, faults: mine } = await open(settings);
      if (start) await page.click("#start");
      await page.waitForSelector("#trouble", { state: "visible" });
      await keep(page, `trouble-${faults.length}`);
      const said = await trouble(page);
      await chooseMode(page, "draw"); // a reader that is missing stays missing, a camera need not be there
      faults.push(...mine);
      const still = await trouble(page);
      await browser.close();
      return [said, still];
    }
    return {
      refused: await say({ args: [...FAKE, "--deny-permission-prompts"] }, true),
      none: await say({}, true),
      wasm: await say({ args: ["--js-flags=--jitless"] }),
      model: await say({ block: ["reader.onnx"] }),
      runtime: await say({ block: ["*.wasm"] }),
      faults,
    };
  },

  /** While it loads: the bar, and a picture that waits for the reader. And whether the policy holds, in the page and in its worker. */
  async loading() {
    const { browser, page, faults } = await open({ ready: false });
    await page.waitForFunction(() => document.querySelector("#loaded").textContent);
    await keep(page, "loading");
    const loaded = await text(page, "loaded");
    await page.waitForSelector("#loading", { state: "hidden" });
    const before = [...faults];
    const elsewhere = told.address.replace("127.0.0.1", "localhost");
    const page_ = await page.evaluate((url) => fetch(url, { mode: "no-cors" }).then(() => "reached", () => "refused"), elsewhere);
    const worker = await page.workers()[0].evaluate((url) => fetch(url, { mode: "no-cors" }).then(() => "reached", () => "refused"), elsewhere);
    await browser.close();
    return { loaded, page: page_, worker, noticed: faults.length - before.length, faults: before };
  },

  /** Frames a second before the camera, each second for some time, and bytes loaded: for the record. */
  async measure() {
    const { browser, page, faults } = await open({ args: [...FAKE, "--use-fake-ui-for-media-stream"], permissions: ["camera"] });
    const bytes = await page.evaluate(() => performance.getEntriesByType("resource").reduce((sum, entry) => sum + entry.decodedBodySize, 0));
    await page.click("#start");
    await page.waitForSelector("#still", { state: "visible" });
    await sleep(3000);
    const [paces, said, start, processor] = [[], [], performance.now(), processorSeconds()];
    for (let k = 0; k < told.seconds; k++) {
      const { pace, digits } = await now(page);
      paces.push(pace);
      said.push(digits);
      await sleep(1000);
    }
    const shares = { processor: processorSeconds() - processor, elapsed: (performance.now() - start) / 1000 };
    const version = browser.version();
    await browser.close();
    return { paces, said, bytes, version, ...shares, faults };
  },
};

console.log(JSON.stringify(await scenarios[name]()));
