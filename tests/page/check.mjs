// Looks at the status page of the demo in Chromium; scripts/page-check starts it. Ends with 1 if anything is wrong.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [tools, pictures] = process.argv.slice(2);
const require = createRequire(join(tools, "package.json"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let failures = 0;

function check(what, holds, found = "") {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}${holds ? "" : ` ${found}`}`);
  failures += holds ? 0 : 1;
}

/** Starts a demo of its own and returns it with the page's address. */
function demo(chargers, port) {
  const options = ["-m", "wallbox2mqtt", "demo", "--plain", "--chargers", String(chargers), "--port", String(port)];
  const process_ = spawn(".venv/bin/python", options, { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((found, failed) => {
    let output = "";
    process_.on("exit", () => failed(new Error(`the demo ended: ${output}`)));
    process_.stdout.on("data", (data) => {
      output += output.length < 5000 ? data : "";
      const address = output.match(/page +(http:\S+)/);
      if (address) found({ address: address[1], stop: () => process_.kill("SIGTERM") });
    });
  });
}

/** Opens the page once all chargers are there, and looks at what holds for every size. */
async function open(browser, name, address, chargers, options) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin", bypassCSP: true, ...options });
  const page = await context.newPage();
  const asked = [];
  const complaints = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  await page.waitForFunction((count) => document.querySelectorAll(".card").length === count, chargers, { timeout: 120_000 });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(pictures, `${name}.png`) });
  check(`${name}: nothing from outside`, asked.every((url) => url.startsWith(address)), asked);
  check(`${name}: no error in the browser`, complaints.length === 0, complaints);
  check(`${name}: nothing is wider than the screen`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((rules) => axe.run(document, { runOnly: rules }), RULES);
  const told = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(" ")}`);
  check(`${name}: accessible`, violations.length === 0, told.join("\n"));
  return page;
}

async function useKeyboard(page) {
  const focused = () => page.evaluate(() => document.activeElement.id);
  for (let presses = 0; presses < 5 && (await focused()) !== "filter"; presses += 1) await page.keyboard.press("Tab");
  await page.keyboard.type("Bay 10");
  check("keyboard: finds chargers", (await page.locator(".card:visible").count()) === 11);
  await page.focus(".card:visible .more");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".card.open canvas");
  check("keyboard: unfolds one, and only its plot is drawn", (await page.locator("canvas").count()) === 1);
  await page.screenshot({ path: join(pictures, "keyboard.png") });
}

async function loseConnection(page, stop) {
  stop();
  await page.waitForSelector("#lost.shown");
  const age = () => page.textContent(".power .age");
  const before = await age();
  await page.waitForTimeout(3000);
  check("lost: says since when", /since \d\d:\d\d:\d\d/.test(await page.textContent("#lost")));
  check("lost: ages go on", (await age()) !== before);
  await page.screenshot({ path: join(pictures, "lost.png") });
}

mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: QUIET });
const few = await demo(3, 11885);
await open(browser, "phone-dark", few.address, 3, { viewport: PHONE, colorScheme: "dark" });
const page = await open(browser, "desktop", few.address, 3, { viewport: DESKTOP });
await loseConnection(page, few.stop);
const many = await demo(300, 11886);
await useKeyboard(await open(browser, "many", many.address, 300, { viewport: DESKTOP }));
many.stop();
await browser.close();
console.log(`The pictures are in ${pictures}.`);
process.exit(failures ? 1 : 0);
