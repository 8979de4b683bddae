// Asks this server about this page, and shows what it says. Without it the page lacks only that.

const PAGES = 60;
const DOWNLOADS = 4; // beside the page; browsers open six connections to a host
const PAUSE_MS = 100; // after each piece of a download: at full speed they would measure the browser
const PAGE = location.pathname;
const VIDEO = new URL("water.webm", import.meta.url);
const WORTH_SHOWING = [
  "content-type", "content-length", "content-encoding", "etag", "last-modified", "cache-control", "accept-ranges",
];

const byId = (id) => document.getElementById(id);
const pause = () => new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });

async function showHead() {
  const answer = await fetch(PAGE, { method: "HEAD", cache: "no-store" });
  const lines = WORTH_SHOWING.filter((name) => answer.headers.has(name))
    .map((name) => `${name}: ${answer.headers.get(name)}`);
  byId("head").textContent = [`${answer.status} ${answer.statusText}`, ...lines].join("\n");
}

async function timePage() {
  const asked = performance.now();
  const answer = await fetch(PAGE, { cache: "no-store" });
  await answer.arrayBuffer();
  return performance.now() - asked;
}

async function timePages() {
  const times = [];
  for (let n = 0; n < PAGES; n += 1) times.push(await timePage());
  times.sort((a, b) => a - b);
  return { median: times[PAGES >> 1], worst: times[PAGES - 1] };
}

// Downloads the video over and over until it is told to stop; how many bytes came.
async function keepDownloading(signal) {
  let bytes = 0;
  try {
    while (!signal.aborted) {
      const { body } = await fetch(VIDEO, { cache: "no-store", signal });
      const reader = body.getReader();
      for (let part; !(part = await reader.read()).done; await pause()) bytes += part.value.length;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return bytes;
}

function showTimes(row, { median, worst }) {
  row.cells[1].textContent = median.toFixed(1);
  row.cells[2].textContent = worst.toFixed(1);
}

async function measure() {
  const [alone, beside] = byId("times").tBodies[0].rows;
  byId("said").textContent = "Asking …";
  await timePage(); // the connection may have to be opened
  const quiet = await timePages();
  const stop = new AbortController();
  const downloads = Array.from({ length: DOWNLOADS }, () => keepDownloading(stop.signal));
  const allBytes = Promise.all(downloads);
  let busy;
  try {
    busy = await Promise.race([timePages(), allBytes]); // a download ends first only if it fails
  } finally {
    stop.abort();
  }
  const bytes = (await allBytes).reduce((sum, some) => sum + some, 0);
  showTimes(alone, quiet);
  showTimes(beside, busy);
  byId("times").hidden = false;
  byId("said").textContent = `Done. Meanwhile ${(bytes / 2 ** 20).toFixed(1)} MiB of video came.`;
}

byId("measure").addEventListener("click", async ({ currentTarget: button }) => {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // and not `disabled`, which would lose the keyboard's focus
  try {
    await measure();
  } catch {
    byId("said").textContent = "The server could not be reached.";
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

byId("jumps").addEventListener("click", ({ target }) => {
  if (target.value !== undefined) byId("water").currentTime = Number(target.value);
});

byId("ask").hidden = false;
byId("jumps").hidden = false;
showHead().then(
  () => { document.documentElement.dataset.asked = "yes"; },
  () => { byId("head").textContent = "The server could not be reached."; },
);
