// What the scenarios share: a Chromium, an eye on its console, and the checks every page must pass.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import axe from "axe-core";
import { chromium } from "playwright-core";

export const base = process.argv[2];

// A machine that runs other tests beside this one may take its time.
const PATIENCE_MS = 120_000;

export async function start() {
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}

// A page whose console must stay silent; what it said is in `page.complaints`.
export async function open(browser, path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") page.complaints.push(message.text());
  });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.goto(base + path);
  return page;
}

// WCAG 2.2 AA and axe's best practices, in the colours that the page has now.
async function accessible(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} (${node.failureSummary})`).join("; ")}`,
  );
  assert.deepEqual(found, [], `${what} is not accessible`);
}

async function fits(page, what) {
  for (const [width, height] of [[360, 740], [1280, 800], [3840, 2160]]) {
    await page.setViewportSize({ width, height });
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(beyond <= 0, `${what} is ${beyond} px too wide for ${width} px`);
    await picture(page, `${what}-${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

// A picture for people to look at, where they asked for some.
export async function picture(page, name) {
  const directory = process.env.HEPAR_SCREENSHOTS;
  if (!directory) return;
  mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: `${directory}/${name}.png` });
}

// Everything that holds for every page, light and dark.
export async function sound(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await accessible(page, `${name} (${colorScheme})`);
    await fits(page, `${name}-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light", contrast: "more" });
  await accessible(page, `${name} (more contrast)`);
  await page.emulateMedia({ colorScheme: "light", contrast: "no-preference" });
}

export function silent(page) {
  assert.deepEqual(page.complaints, [], "the console says nothing");
}

// Tells the test that runs this scenario that it is its turn.
export function say(word) {
  console.log(word);
}
