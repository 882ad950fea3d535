// A technician follows a study from its first slice to the PACS, looks at it, and orders it again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { base, open, picture, say, silent, sound, start } from "./harness.mjs";

const browser = await start();
const page = await open(browser, "/");
await page.getByText("Nothing received yet").waitFor();
assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Ready");
await sound(page, "empty");

// The row comes, changes and ends by itself; nothing is loaded anew, and the focus stays.
await page.evaluate(() => {
  window.stayed = true;
  window.states = [];
  new MutationObserver(() => {
    const state = document.querySelector("li.row")?.dataset.state;
    if (state && window.states.at(-1) !== state) window.states.push(state);
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
});
say("SEND");
const row = page.locator("li.row");
await row.waitFor();
await row.getByRole("link").focus();
await page.locator('li.row[data-state="segmenting"]').or(page.locator('li.row[data-state="delivered"]')).first().waitFor();
await picture(page, "segmenting");
await page.locator('li.row[data-state="delivered"]').waitFor();
const seen = await page.evaluate(() => ({
  stayed: window.stayed,
  states: window.states,
  focused: document.activeElement.getAttribute("href"),
}));
assert.ok(seen.stayed, "the page was not loaded anew");
assert.ok(seen.states.length > 1, `it was seen in work: ${seen.states}`);
assert.match(seen.focused, /^\/series\//, "the focus stayed on the link");
const words = await row.textContent();
assert.match(words, /Liver [\d\u202f]+ ml, 1 lesion|Liver [\d\u202f]+ ml, \d+ lesions/);
assert.match(words, /s after the last slice/);
await sound(page, "first");
say("FOLLOWED");

// The series' own page: pictures, slider by keyboard, windows, lesions, downloads.
await row.getByRole("link").click();
const image = page.locator(".viewer img");
const shown = () => image.evaluate(async (img) => (await img.decode(), img.getAttribute("src")));
const first = await shown();
assert.ok((await image.evaluate((img) => img.naturalWidth)) > 0);
await page.getByRole("slider").focus();
await page.keyboard.press("ArrowRight");
await page.waitForFunction((old) => document.querySelector(".viewer img").getAttribute("src") !== old, first);
await page.getByRole("link", { name: "Bone" }).click();
await page.waitForFunction(() => document.querySelector(".viewer img").src.includes("window=bone"));
await shown();
await page.locator("#lesions a").first().click();
await shown();
const [download] = await Promise.all([
  page.waitForEvent("download"),
  page.getByRole("link", { name: "Download SEG" }).click(),
]);
const file = readFileSync(await download.path());
assert.equal(file.toString("latin1", 128, 132), "DICM");
await page.getByRole("link", { name: "Liver", exact: true }).click();
await shown();
await sound(page, "series");
const series = page.url();
say("LOOKED AT");

// Ordered again: asked first, then done, then seen on the same page.
await page.getByRole("link", { name: "Send again" }).click();
await sound(page, "order");
await page.getByRole("link", { name: "Cancel" }).click();
assert.equal(page.url(), series);
for (const order of ["Send again", "Segment again"]) {
  await page.getByRole("link", { name: order }).click();
  await page.getByRole("button", { name: order }).click();
  await page.waitForURL(series);
  await page.locator(".verdict .state.ok").waitFor();
}
say("ORDERED");

// Chinese, remembered on the next page, and back.
await page.getByRole("link", { name: "中文" }).click();
assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
await sound(page, "series-zh");
await page.goto(`${base}/destinations`);
assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "目的地与发送方");
await page.getByRole("link", { name: "English" }).click();
await page.getByRole("heading", { name: "Destinations and callers" }).waitFor();
assert.match(await page.locator("#callers").textContent(), /CT1.*presentation contexts accepted/s);
await sound(page, "destinations");

// The box tests itself and shows its log; who may log in is said where somebody has to.
for (const [path, heading] of [["/box", "Box"], ["/log", "Log"], ["/users", "Users"]]) {
  await page.goto(base + path);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
  await sound(page, path.slice(1));
}
silent(page);

// A tab that nobody sees holds no connection, and shows no light that would be old.
const stream = (request) => request.url().endsWith("/api/events");
const seen_as = (hidden) =>
  page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
await page.goto(base);
await page.getByRole("heading", { name: "Ready" }).waitFor();
const closed = page.waitForEvent("requestfailed", stream);
await seen_as(true);
await closed;
assert.doesNotMatch(await page.title(), /Ready/);
const opened = page.waitForRequest(stream);
await seen_as(false);
await opened;
await page.waitForFunction(() => document.title.startsWith("Ready"));
assert.ok(await page.locator("#offline").isHidden());
silent(page);

// A page that cannot be had is old, until it can.
await page.route(`${base}/`, (route) => route.fulfill({ status: 500 }));
await page.locator("#offline", { hasText: "No connection" }).waitFor();
await page.unroute(`${base}/`);
await page.locator("#offline").waitFor({ state: "hidden" });

// Neither a closed connection nor an error tells of a box without power; its silence does.
say("FREEZE");
await page.locator("#offline", { hasText: "No connection" }).waitFor();
say("THAW");
await page.locator("#offline").waitFor({ state: "hidden" });

// In a frame of another page it does not show.
const framed = await browser.newPage();
await framed.setContent(`<iframe src="${base}/"></iframe>`);
await framed.waitForFunction(() => document.readyState === "complete");
const inside = framed.frames().find((frame) => frame.parentFrame());
await inside.waitForLoadState();
assert.equal(await inside.locator("h1", { hasText: "Ready" }).count(), 0, "it lets itself be framed");

// Without a script: the same words, plain links, and a refresh.
const plain = await open(browser, "/", { javaScriptEnabled: false });
assert.equal(await plain.locator("li.row").count(), 1);
assert.equal(await plain.locator('meta[http-equiv="refresh"]').count(), 1);
await plain.goto(series);
const before = await plain.locator(".viewer img").getAttribute("src");
await plain.getByRole("link", { name: "Next" }).click();
assert.notEqual(await plain.locator(".viewer img").getAttribute("src"), before);
assert.equal(await plain.getByRole("slider").count(), 0, "nothing that does not work is shown");
silent(plain);

// The box goes away: the page says that it is old.
await page.goto(base);
await page.getByRole("heading", { name: "Ready" }).waitFor();
say("STOP");
await page.locator("#offline", { hasText: "No connection" }).waitFor();
await browser.close();
say("DONE");
