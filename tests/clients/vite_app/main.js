// A router by hand: what stands in the address decides which page is shown, and no link leaves the document.
import "./style.css";

const pages = [
  [/^\/$/, async () => "Home"],
  [/^\/users\/(\d+)$/, async (id) => (await import("./user.js")).show(id)],
];

async function show() {
  const page = document.getElementById("page");
  for (const [form, render] of pages) {
    const found = form.exec(location.pathname);
    if (found) {
      page.textContent = await render(...found.slice(1));
      return;
    }
  }
  page.textContent = "There is no such page";
}

addEventListener("popstate", show);
document.querySelector("nav").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState(null, "", event.target.href);
  show();
});
show();
