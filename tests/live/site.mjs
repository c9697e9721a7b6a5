// Opens pages of the built site in a real Chromium and prints as JSON what is wrong: `node site.mjs '{"address": …, "browser": …, "pages": […], "words": "…"}'`.

import { chromium } from "playwright-core";

const told = JSON.parse(process.argv[2]);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const SIZES = { desktop: [1280, 900], phone: [390, 844] };

const browser = await chromium.launch({ executablePath: told.browser, args: QUIET });
const faults = [];

for (const [size, [width, height]] of Object.entries(SIZES)) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: size === "phone" ? "dark" : "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(3_600_000); // a watchdog, not a limit
  const note = (what) => faults.push(`${size}, ${page.url().replace(told.address, "")}: ${what}`);
  context.on("request", (request) => {
    if (!request.url().startsWith(told.address) && !/^(blob|data):/.test(request.url())) note(`asked for ${request.url()}`);
  });
  page.on("response", (response) => response.status() >= 400 && note(`${response.url()} is not there`));
  page.on("pageerror", (error) => note(error.message));
  page.on("console", (message) => message.type() === "error" && note(message.text()));
  for (const path of told.pages) {
    await page.goto(told.address + path);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) note(`${wide} pixels wider than the window`);
    if (told.shots) await page.screenshot({ path: `${told.shots}/${path.replace(/\W/g, "-")}-${size}.png`, fullPage: true });
  }
  await page.goto(`${told.address}search.html?q=${encodeURIComponent(told.words)}`);
  await page.waitForSelector("#search-results li a", { timeout: 600_000 }).catch(() => note(`a search for ${told.words} finds nothing`));
  await context.close();
}

await browser.close();
console.log(JSON.stringify(faults));
