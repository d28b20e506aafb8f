"""Style and script of the HTML page that shows a plan."""

STYLE = """
:root { color-scheme: light dark; --paper: #f6f5f2; --card: #fff; --ink: #22252a; --soft: #6a7078; --line: #e2e0da;
  --mat: #eceae5; --keep: #2f7d4f; --keep-mat: #e6f2ea; --remove: #a8552f; --remove-mat: #f8ebe3; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --card: #1f2226; --ink: #e4e5e7; --soft: #989fa8;
  --line: #31353a; --mat: #121416; --keep: #77c796; --keep-mat: #1e3528; --remove: #e2a07c; --remove-mat: #3a281f; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 90rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; font-weight: 600; margin: 0; letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.2rem; font-weight: 600; margin: 3rem 0 0; }
p { margin: .25rem 0; }
.soft, .folder, .facts, .match { color: var(--soft); }
table { border-collapse: collapse; margin: 1.25rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem 0 .35rem clamp(.7rem, 2.2vw, 2rem); text-align: right;
  border-bottom: 1px solid var(--line); font-weight: 400; white-space: nowrap; }
th:first-child { padding-left: 0; text-align: left; }
thead th { color: var(--soft); font-size: .85rem; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: .2em; }
#tools { position: sticky; top: 0; z-index: 1; background: var(--paper); border-bottom: 1px solid var(--line);
  padding: .6rem 0; margin-top: 1rem; }
#tools > div { max-width: 90rem; margin: 0 auto; padding: 0 1.5rem; display: flex; flex-wrap: wrap; gap: .5rem 1.25rem;
  align-items: center; }
#tools input[type=search] { flex: 1 1 16rem; max-width: 28rem; padding: .4rem .7rem; font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--line); border-radius: .4rem; }
#tools label { white-space: nowrap; }
.group { margin: 1rem 0; padding: .9rem 1rem 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; content-visibility: auto; contain-intrinsic-size: auto 24rem; }
.group:focus { outline: 2px solid var(--keep); outline-offset: 2px; }
.group > h3 { display: flex; justify-content: space-between; gap: 1rem; margin: 0 0 .75rem; font-size: .85rem;
  font-weight: 400; color: var(--soft); }
.files { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1.1rem; }
figure { margin: 0; min-width: 0; }
figure > a { position: relative; }
figure > a, .none { display: flex; align-items: center; justify-content: center; aspect-ratio: 4 / 3;
  background: var(--mat); border-radius: .35rem; overflow: hidden; text-decoration: none; }
figure img { width: 100%; height: 100%; object-fit: contain; }
.places { position: absolute; inset: 0; width: 100%; height: 100%; }
.places rect { fill: none; stroke: #ff3b7f; stroke-width: 2; vector-effect: non-scaling-stroke; }
.lost { color: var(--remove); }
.none { padding: 1rem; text-align: center; font-size: .85rem; color: var(--soft); }
.keeper > a { box-shadow: 0 0 0 2px var(--card), 0 0 0 4px var(--keep); }
figcaption { margin-top: .6rem; font-size: .85rem; overflow-wrap: anywhere; }
.name { font-size: .95rem; font-weight: 600; }
.badge { display: inline-block; margin-right: .4rem; padding: .05rem .5rem; border-radius: 1rem; font-size: .75rem;
  background: var(--mat); color: var(--soft); }
.badge.keep { background: var(--keep-mat); color: var(--keep); }
.badge.remove { background: var(--remove-mat); color: var(--remove); }
.facts { font-variant-numeric: tabular-nums; }
.why { margin-top: .35rem; }
.more { margin: 1.5rem 0; color: var(--soft); }
[hidden] { display: none !important; }
footer { max-width: 90rem; margin: 4rem auto 2rem; padding: 0 1.5rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 45rem) { #tools { position: static; } #tools .soft { display: none; }
  header, main, #tools > div { padding-left: 1rem; padding-right: 1rem; } }
@media print { :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --mat: #fff; }
  #tools { display: none; } html { font-size: 11px; } body { font-size: 1rem; }
  header, main { max-width: none; padding: 0; }
  .group { content-visibility: visible; contain-intrinsic-size: none; break-inside: avoid; }
  .files { grid-template-columns: repeat(auto-fill, minmax(4.5cm, 1fr)); } h2 { break-after: avoid; } }
"""

# Searches the text of groups. The tools stay hidden if scripts do not run.
SCRIPT = """
const tools = document.getElementById("tools"), search = tools.querySelector("input[type=search]");
const kinds = [...tools.querySelectorAll("input[type=checkbox]")], shown = document.getElementById("shown");
const groups = [...document.querySelectorAll(".group")];
const texts = new Map();
function text(group) {
  if (!texts.has(group)) texts.set(group, group.textContent.toLowerCase());
  return texts.get(group);
}
function filter() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const box of kinds) document.getElementById(box.value).hidden = !box.checked;
  let count = 0;
  for (const group of groups) {
    group.hidden = !words.every(word => text(group).includes(word));
    count += !group.hidden && !group.parentElement.hidden;
  }
  shown.textContent = count === groups.length ? "" : count.toLocaleString("en") + " shown";
}
function step(by) {
  const visible = groups.filter(group => !group.hidden && !group.parentElement.hidden);
  const at = visible.indexOf(document.activeElement.closest(".group"));
  const next = visible[at < 0 ? (by > 0 ? 0 : visible.length - 1) : at + by];
  if (next) { next.focus({preventScroll: true}); next.scrollIntoView({block: "start"}); }
}
tools.addEventListener("input", filter);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === search) { if (event.key === "Escape") search.blur(); return; }
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "/") { event.preventDefault(); search.focus(); }
});
for (const group of groups) group.tabIndex = -1;
tools.hidden = false;
filter();
"""
