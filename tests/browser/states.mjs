// Every state that lasts, on a box that cannot segment: each explains itself in words and shape.
import assert from "node:assert/strict";
import { open, say, silent, sound, start } from "./harness.mjs";

const browser = await start();
const page = await open(browser, "/");
await page.getByRole("heading", { level: 1, name: "Receiving, not segmenting: the model cannot be used" }).waitFor();
assert.equal(await page.locator(".light.red").count(), 1);
assert.match(await page.locator(".light .detail").textContent(), /bundle\.toml/);
assert.match(await page.locator(".light .advice").textContent(), /biomedical engineer/);

const expected = {
  // None of them is on this box's disk, whatever its journal last heard.
  receiving: [/Receiving.*Received 0\/300/s, "busy"],
  queued: [/Waiting for the engine/, "busy"],
  delivering: [/pacs hangs up.*sent by itself/s, "warn"],
  delivered: [/Liver 1\u202f512 ml, 2 lesions, 14\.2 ml.*4\.2 s after the last slice/s, "ok"],
  ignored: [/a localizer/, "off"],
  refused: [/No part of the series shows the liver.*No result can be right/s, "warn"],
  failed: [/ended the process.*biomedical engineer/s, "bad"],
};
for (const [state, [words, shape]] of Object.entries(expected)) {
  const row = page.locator(`li.row[data-state="${state}"]`);
  await row.waitFor();
  assert.match(await row.textContent(), words, state);
  assert.equal(await row.locator("svg.mark use").getAttribute("href"), `#${shape}`, state);
}
assert.match(await page.locator("#set-apart").textContent(), /1\.2\.3\.99\.1.*ends too early/s);
await sound(page, "states");
say("SHOWN");

// Each leads to a page of its own that holds together.
const links = await page.locator("li.row .what a").evaluateAll((all) => all.map((a) => a.href));
assert.equal(links.length, Object.keys(expected).length);
for (const link of links) {
  const answer = await page.goto(link);
  assert.equal(answer.status(), 200, link);
  assert.equal(await page.locator("#timeline li").count() >= 2, true);
  assert.match(await page.locator("#set-apart").textContent(), /ends too early.*1\.2\.3\.99\.1/s);
}
await page.goto(new URL("/?lang=zh-CN", links[0]).href);
assert.match(await page.locator('li.row[data-state="refused"]').textContent(), /序列中没有肝脏/);
// What went wrong comes in the reader's language, and then as the part in trouble put it.
assert.match(await page.locator("h1").textContent(), /正在接收，无法分割：模型无法使用/);
const delivering = page.locator('li.row[data-state="delivering"]');
assert.equal(await delivering.locator(".why strong").textContent(), "对方中止了关联");
assert.equal(await delivering.locator('[lang="en"]').textContent(), "(pacs hangs up)");
await sound(page, "states-zh");
silent(page);
await browser.close();
