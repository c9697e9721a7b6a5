// The page: where pictures come from, and what is said of them.

import { GALLERY, HOME, LIMITS } from "./constants.js";
import { startReader, Trouble } from "./loader.js";
import { drawMarks, isSure, percent } from "./marks.js";
import { Pad } from "./pad.js";
import { bitmapOf, pixelsOf } from "./pictures.js";
import { Steady } from "./steady.js";

const $ = (name) => document.getElementById(name);
const [video, still, stage] = [$("video"), $("still"), $("stage")];

let read; // a picture -> its reading, once the reader is here
let turn = 0; // what is shown now; an answer to what was shown before is thrown away
let shown = { reading: null, size: [4, 3] };
let stream = null;
let broken = null; // why there is no reader

// ---------------------------------------------------------------- what is said

function show(reading, size, pace) {
  shown = { reading, size };
  drawMarks($("marks"), reading, size, isMirrored());
  const tiles = reading ? [...reading.digits].map((digit, k) => tile(digit, percent(reading.digitConfidence[k]))) : [];
  $("digits").replaceChildren(...tiles);
  $("answer").classList.toggle("unsure", Boolean(reading) && !isSure(reading));
  $("verdict").textContent = verdict(reading);
  $("pace").textContent = pace;
  $("copy").disabled = !reading;
  announce(reading ? `${isSure(reading) ? "" : "Perhaps "}${[...reading.digits].join(" ")}` : "No number");
}

function tile(digit, sure) {
  const item = document.createElement("li");
  item.append(Object.assign(document.createElement("b"), { textContent: digit }), Object.assign(document.createElement("small"), { textContent: sure }));
  return item;
}

function verdict(reading) {
  if (!reading) return "No number";
  return isSure(reading) ? `${percent(reading.confidence)} sure that all of it is right` : `Not sure: ${percent(reading.confidence)} that all of it is right`;
}

const plural = (count, what) => `${count.toFixed(0)} ${what}${count.toFixed(0) === "1" ? "" : "s"}`;

let announcing;
let announced = "";

/** Says it to those who do not see the page, once it has stood for a moment. */
function announce(text) {
  if (text === announced) return;
  announced = text;
  clearTimeout(announcing);
  announcing = setTimeout(() => ($("said").textContent = text), 600);
}

/** Nothing is shown and nothing was said yet. */
function showNothing() {
  shown.reading = null;
  drawMarks($("marks"), null);
  $("digits").replaceChildren();
  for (const name of ["verdict", "pace"]) $(name).textContent = "";
  $("copy").disabled = true;
  announce("");
}

function tell(error) {
  if (!(error instanceof Trouble)) console.error(error);
  $("trouble").textContent = error instanceof Trouble ? error.message : `Something went wrong (${error.message}): load this page again.`;
  $("trouble").hidden = false;
}

function forgetTrouble() {
  $("trouble").hidden = true;
  if (broken) tell(broken);
}

function invite(text, button = "") {
  $("invited").textContent = text;
  $("start").textContent = button;
  $("start").hidden = !button;
  $("invitation").hidden = !text;
}

/** Shows one of the stage's pictures, or none of them. */
function setStage(element, width = 4, height = 3) {
  for (const each of [still, $("pad")]) each.hidden = each !== element;
  stage.style.setProperty("--ratio", Math.min(Math.max(width / height, 3 / 4), 2));
}

/** Shows a bitmap on the stage. */
function paint(bitmap) {
  const { width, height } = bitmap;
  if (still.width !== width || still.height !== height) Object.assign(still, { width, height });
  still.getContext("2d").drawImage(bitmap, 0, 0);
  still.classList.toggle("mirrored", isMirrored());
  setStage(still, width, height);
}

/** Does something that may go wrong, and says so if it does. */
async function attempt(what) {
  forgetTrouble();
  try {
    await what();
  } catch (error) {
    tell(error);
  }
}

// ---------------------------------------------------------------- the camera

const isFrozen = () => $("freeze").ariaPressed === "true";
const isMirrored = () => mode() === "camera" && $("mirror").ariaPressed === "true";
const nextFrame = () => new Promise((resolve) => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(resolve) : requestAnimationFrame(resolve)));

const REFUSED = {
  NotAllowedError: "The camera is not allowed here: allow it for this page, in the browser's settings beside the address, and start it again. Photos and drawings need no camera.",
  NotFoundError: "No camera was found: connect one and start it again, or choose a photo, or draw a number.",
  NotReadableError: "The camera cannot be used: close the other program that has it, then start it again.",
};
REFUSED.OverconstrainedError = REFUSED.NotFoundError;

async function openCamera(id) {
  if (!navigator.mediaDevices) {
    throw new Trouble("A browser gives its camera to secure pages only: open this page by https, or on this machine with `digitstudy live`.");
  }
  const wanted = { width: { ideal: 1280 }, height: { ideal: 720 }, ...(id ? { deviceId: { exact: id } } : { facingMode: "environment" }) };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: wanted });
  } catch (error) {
    throw new Trouble(REFUSED[error.name] ?? `The camera cannot be used (${error.message}): try another one, or choose a photo.`);
  }
}

async function startCamera(id) {
  stopCamera();
  const mine = turn;
  $("start").disabled = true;
  try {
    const opened = await openCamera(id);
    if (mine !== turn) return opened.getTracks().forEach((track) => track.stop());
    stream = opened;
  } finally {
    $("start").disabled = false;
  }
  const [track] = stream.getVideoTracks();
  track.onended = () => {
    stopCamera();
    tell(new Trouble("The camera stopped: connect it again and start it."));
  };
  video.srcObject = stream;
  await video.play().catch((error) => {
    if (mine === turn) throw error; // else it was stopped meanwhile
  });
  if (mine !== turn) return;
  invite("");
  for (const name of ["freeze", "mirror", "stop"]) $(name).disabled = false;
  await listCameras(track.getSettings().deviceId);
  if (mine !== turn) return;
  $("freeze").focus();
  await follow();
}

function stopCamera() {
  turn += 1;
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  video.srcObject = null;
  press("freeze", false);
  for (const name of ["freeze", "mirror", "stop"]) $(name).disabled = true;
  showNothing();
  if (mode() === "camera") {
    setStage(null);
    invite("Hold a number before the camera: a house number, a price, your own handwriting.", "Start the camera");
  }
}

async function listCameras(id) {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  $("camera").replaceChildren(...cameras.map(({ label, deviceId }, k) => new Option(label || `Camera ${k + 1}`, deviceId, false, deviceId === id)));
  $("cameras").hidden = cameras.length < 2;
}

/**
 * Reads one frame after another, each when the one before is done, until something else is shown. What is seen is the frame that was read and
 * not the camera's newest one, so that the answer is always where the number is.
 */
async function follow() {
  const mine = ++turn;
  const [steady, times] = [new Steady(), []];
  for (let frame = 0; ; ) {
    await nextFrame();
    if (mine !== turn) return;
    const bitmap = await createImageBitmap(video);
    const { width, height } = bitmap;
    const reading = read && (await read(pixelsOf(bitmap, width, height), frame++));
    if (mine !== turn) return;
    paint(bitmap);
    bitmap.close();
    if (!read) continue; // still loading
    const now = performance.now();
    times.push(now);
    while (now - times[0] > 2000) times.shift();
    const pace = times.length > 1 ? (times.length - 1) / ((now - times[0]) / 1000) : 0;
    show(steady.next(reading, now), [width, height], `${plural(pace, "frame")} a second`);
  }
}

async function freeze() {
  const frozen = !isFrozen();
  press("freeze", frozen);
  if (frozen) await readStill(++turn, pixelsOf(still, still.width, still.height));
  else await follow();
}

// ---------------------------------------------------------------- photos, drawings

/** Shows a picture that stands still, and reads it with all looks. */
async function showStill(bitmap) {
  const mine = ++turn;
  invite("");
  paint(bitmap);
  await readStill(mine, pixelsOf(bitmap, bitmap.width, bitmap.height));
  bitmap.close();
}

async function readStill(mine, picture) {
  const size = [picture.width, picture.height];
  showNothing();
  $("pace").textContent = "Reading …";
  await ready;
  if (!read || mine !== turn) return;
  const start = performance.now();
  const reading = await read(picture);
  if (mine === turn) show(reading, size, `read in ${(performance.now() - start).toFixed(0)} milliseconds`);
}

async function openPhoto(file) {
  setMode("photo");
  await showStill(await bitmapOf(file));
}

const pad = new Pad($("pad"), () => attempt(readPad));

async function readPad() {
  const mine = ++turn;
  for (const name of ["undo", "clear"]) $(name).disabled = !pad.strokes.length;
  invite(pad.strokes.length ? "" : "Write a number here.");
  if (!pad.strokes.length) return showNothing();
  await readStill(mine, pixelsOf($("pad"), $("pad").width, $("pad").height));
}

function pictureFile(transfer, otherwise) {
  const file = [...transfer.files].find((each) => each.type.startsWith("image/")) ?? transfer.files[0];
  if (!file) throw new Trouble(otherwise);
  return file;
}

// ---------------------------------------------------------------- the page

const mode = () => document.querySelector("#modes input:checked").value;

/** Goes to a mode, as its button does. */
function setMode(name) {
  const button = document.querySelector(`#modes input[value=${name}]`);
  const changed = !button.checked;
  button.checked = true;
  if (changed) enterMode();
}

function enterMode() {
  forgetTrouble();
  for (const part of document.querySelectorAll("[data-mode]")) part.hidden = part.dataset.mode !== mode();
  $("gallery").hidden ||= !GALLERY.length;
  stopCamera();
  if (mode() === "photo") {
    setStage(null);
    invite("Drop a photo here, paste one, or choose one.");
  }
  if (mode() === "draw") {
    setStage($("pad"));
    attempt(readPad);
  }
}

function press(name, pressed) {
  $(name).ariaPressed = String(pressed);
  if (name === "freeze") $(name).textContent = pressed ? "Go on" : "Freeze";
}

function onClick(name, what) {
  $(name).addEventListener("click", () => attempt(what));
}

for (const button of document.querySelectorAll("#modes input")) button.addEventListener("change", enterMode);
onClick("start", () => startCamera());
onClick("stop", stopCamera);
onClick("freeze", freeze);
onClick("mirror", () => {
  press("mirror", !isMirrored());
  still.classList.toggle("mirrored", isMirrored());
  drawMarks($("marks"), shown.reading, shown.size, isMirrored());
});
$("camera").addEventListener("change", () => attempt(() => startCamera($("camera").value)));
onClick("choose", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = ""; // so that the same one can be chosen again
  if (file) attempt(() => openPhoto(file));
});
$("pad").addEventListener("pointerdown", () => invite(""));
onClick("undo", () => pad.takeBack(1));
onClick("clear", () => pad.takeBack(pad.strokes.length));
onClick("copy", async () => {
  try {
    await navigator.clipboard.writeText(shown.reading.digits);
  } catch {
    throw new Trouble("The browser does not let this page copy: select the number and copy it by hand.");
  }
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy the number"), 1500);
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  attempt(() => openPhoto(pictureFile(event.dataTransfer, "That is no file: save the picture first, then drop its file.")));
});
addEventListener("paste", (event) => attempt(() => openPhoto(pictureFile(event.clipboardData, "There is no picture to paste: copy one first."))));
new ResizeObserver(() => drawMarks($("marks"), shown.reading, shown.size, isMirrored())).observe(stage);

for (const { file, what } of GALLERY) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.append(Object.assign(document.createElement("img"), { src: `gallery/${file}`, alt: what, loading: "lazy" }));
  button.addEventListener("click", () => attempt(async () => openPhoto(await (await fetch(`gallery/${file}`)).blob())));
  const item = document.createElement("li");
  item.append(button);
  $("pictures").append(item);
}
for (const text of LIMITS) $("known").append(Object.assign(document.createElement("li"), { textContent: text }));
if (HOME) Object.assign($("home"), { href: HOME, hidden: false });

const million = (bytes) => (bytes / 1e6).toFixed(1);

async function load() {
  try {
    read = await startReader((here, whole) => {
      $("progress").value = here / whole;
      $("loaded").textContent = `${million(here)} of ${million(whole)} MB`;
    });
  } catch (error) {
    tell((broken = error));
  }
  $("loading").hidden = true;
}

const ready = load();
enterMode();
const here = ["127.0.0.1", "localhost"].includes(location.hostname); // served by this machine, which is always within reach
if (!here) navigator.serviceWorker?.register("offline.js", { type: "module" }).catch(() => {}); // a browser that cannot keep the page needs the network
