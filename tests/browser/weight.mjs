// The first page with as many series as it shows: what it weighs on the wire, and when it is painted.
import assert from "node:assert/strict";
import { open, say, silent, start } from "./harness.mjs";

const browser = await start();
const page = await open(browser, "/");
assert.equal(await page.locator("li.row").count(), 50);
const { bytes, painted } = await page.evaluate(async () => {
  const entries = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
  const paint = (type) => performance.getEntriesByName(type)[0];
  while (!paint("first-contentful-paint")) await new Promise((done) => setTimeout(done, 20));
  return {
    bytes: entries.reduce((sum, entry) => sum + entry.transferSize, 0),
    painted: paint("first-contentful-paint").startTime,
  };
});
assert.ok(bytes > 1000 && bytes < 100_000, `${bytes} bytes`);
silent(page);
await browser.close();
say(`${bytes} bytes, painted after ${painted.toFixed(0)} ms`);
