// Uses the explorer notebook in JupyterLab in a real Chromium and prints as JSON what was seen: `node explorer.mjs '{"address": …, "browser": …, "film": …, "photo": …}'`.

import { chromium } from "playwright-core";

const told = JSON.parse(process.argv[2]);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const FAKE = ["--deny-permission-prompts", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${told.film}`];

const browser = await chromium.launch({ executablePath: told.browser, args: [...QUIET, ...FAKE] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const seen = { elsewhere: [] };
context.on("request", (request) => {
  if (!request.url().startsWith(told.address) && !/^(blob|data):/.test(request.url())) seen.elsewhere.push(request.url());
});
const page = await context.newPage();
page.setDefaultTimeout(3_600_000); // a watchdog, not a limit
await page.goto(`${told.address}lab/tree/explorer.ipynb`);

/** The output of the code cell that begins so. */
const output = (code) => page.locator(".jp-CodeCell", { has: page.locator(".jp-InputArea", { hasText: code }) }).locator(".jp-Cell-outputArea");
/** What a picture of an output shows: its file, as text. */
const file = (where) => where.locator("img").first().getAttribute("src");
const keep = async (where, name) => told.shots && (await where.scrollIntoViewIfNeeded(), await page.screenshot({ path: `${told.shots}/${name}.png` }));

/** Does something, and waits until the picture is another one. */
async function after(where, what) {
  const before = await file(where);
  await what();
  await page.waitForFunction(([box, before]) => ![before, undefined].includes(box.querySelector("img")?.src), [await where.elementHandle(), before]);
  return (await file(where)) !== before;
}

// All cells, by the menu, once the kernel listens.
const prompts = () => page.locator(".jp-CodeCell .jp-InputPrompt").allTextContents();
await page.locator(".jp-StatusBar-TextItem", { hasText: "| Idle" }).waitFor();
await page.waitForTimeout(1_000);
await page.locator(".lm-MenuBar-itemLabel", { hasText: /^Run$/ }).click();
await page.locator(".lm-Menu-itemLabel", { hasText: /^Run All Cells$/ }).click();
const ran = (prompt) => /\[\d+\]/.test(prompt);
for (const patience = Date.now() + 3_600_000; !(await prompts()).every(ran); await page.waitForTimeout(300)) {
  if (Date.now() > patience) throw new Error(`Not all cells were run: ${await prompts()}`);
}

// The data: the next example, larger digits, digits that do not fit, a model, its looks.
const data = output("DataExplorer()");
await data.locator("img").waitFor();
await keep(data, "data");
seen.next = await after(data, () => data.getByRole("button", { name: "next" }).click());
const slider = data.locator(".widget-slider", { hasText: "digit size" }).locator(".noUi-handle");
seen.larger = await after(data, () => slider.press("ArrowRight"));
await slider.press("End");
seen.unfit = await data.getByRole("alert").textContent();
await slider.press("Home");
await data.locator("img").waitFor();
seen.asked = await after(data, () => data.getByRole("combobox").last().selectOption({ index: 1 }));
seen.said = await data.locator("img").getAttribute("alt");
seen.looks = await after(data, () => data.getByRole("button", { name: "looks and gradients" }).click());
await keep(data, "looks");

// Errors: a few examples are enough.
const errors = output("ErrorExplorer()");
await errors.locator(".noUi-handle").press("Home");
await errors.getByRole("button", { name: "read them" }).click();
await errors.locator("img").nth(1).waitFor();
seen.errors = await errors.locator("img").first().getAttribute("alt");
await keep(errors, "errors");

// Another record.
const records = output("RecordExplorer()");
seen.record = await after(records, () => records.getByRole("combobox").selectOption({ label: told.record }));
seen.measures = await records.locator("thead").textContent();
await keep(records, "record");

// A file, then the camera: refused at first, then allowed.
const photos = output("PhotoExplorer()");
const chooser = page.waitForEvent("filechooser");
await photos.getByRole("button", { name: "choose a photo" }).click();
await (await chooser).setFiles(told.photo);
await photos.locator("img").waitFor();
seen.file = await photos.locator("img").getAttribute("alt");
await photos.getByRole("button", { name: "switch camera on" }).click();
seen.refused = await photos.getByRole("status").filter({ hasText: /\S/ }).textContent();
await context.grantPermissions(["camera"]);
await photos.getByRole("button", { name: "switch camera on" }).click();
await photos.locator("video").waitFor();
seen.taken = await after(photos, () => photos.getByRole("button", { name: "take picture" }).click());
seen.camera = await photos.locator("img").getAttribute("alt");
await keep(photos, "photo");
await photos.getByRole("button", { name: "switch camera off" }).click();
seen.off = await photos.locator("video").isHidden();

seen.failed = await page.locator('[data-mime-type="application/vnd.jupyter.error"], .jp-OutputArea [data-mime-type="application/vnd.jupyter.stderr"]').allTextContents();
await browser.close();
console.log(JSON.stringify(seen));
