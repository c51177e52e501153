// The style of the page that inspect --html writes: dark and light as the reader's system is; on a phone a row of the table
// becomes a block of labelled figures.
export const pageStyle = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1c2128; --quiet: #59636e; --grid: #d9dee3; --band: #f4f6f8; --line: #0b6bcb; --mark: #b3541e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181d; --text: #e4e8ec; --quiet: #9aa5b1; --grid: #333b44; --band: #1c2229; --line: #5aa9f7; --mark: #f0a36b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 3rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { margin: 0 0 0.25rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 0.75rem; font-size: 1.2rem; }
h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
p { margin: 0.35rem 0; max-width: 60rem; overflow-wrap: anywhere; }
.quiet, figcaption, caption, footer { color: var(--quiet); font-size: 0.875rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.5rem; }
th, td { padding: 0.4rem 0.5rem; border-bottom: 1px solid var(--grid); text-align: right; vertical-align: top; }
th { font-weight: 600; }
thead th { vertical-align: bottom; color: var(--quiet); font-size: 0.8125rem; line-height: 1.3; }
.text { text-align: left; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 9rem; }
tbody tr:hover { background: var(--band); }
td { white-space: nowrap; }
.default th { font-weight: 700; }
.mark { color: var(--mark); font-weight: 700; padding-left: 0.15rem; }
.layer { margin: 0 0 1.25rem; padding: 1rem; background: var(--band); border: 1px solid var(--grid); border-radius: 8px; }
.plots { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem 1.5rem; margin-top: 0.75rem; }
figure { margin: 0; min-width: 0; }
.plot { min-height: 240px; }
details { margin-top: 0.5rem; }
summary { cursor: pointer; color: var(--quiet); font-size: 0.875rem; }
details table { width: auto; margin-top: 0.5rem; }
ul { padding-left: 1.2rem; }
li { overflow-wrap: anywhere; margin: 0.25rem 0; }
a { color: var(--line); }
footer { margin-top: 3rem; border-top: 1px solid var(--grid); padding-top: 0.75rem; }
.u-legend { font-size: 0.8125rem; color: var(--text); }
.u-legend th, .u-legend td { border: 0; padding: 0 0.15rem; }
.uplot .u-cursor-x { border-right-color: var(--quiet); }
@media (max-width: 54rem) {
  body { padding: 1rem 0.875rem 2rem; }
  .plots { grid-template-columns: minmax(0, 1fr); }
  .layer { padding: 0.75rem 0.625rem; }
  .wide, .wide tbody, .wide caption { display: block; }
  .wide thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .wide tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem; padding: 0.6rem 0; border-bottom: 1px solid var(--grid); }
  .wide tbody th, .wide td { border: 0; padding: 0.1rem 0; }
  .wide tbody th { grid-column: 1 / -1; }
  .wide td { display: flex; justify-content: space-between; gap: 0.5rem; text-align: right; white-space: normal; }
  .wide td::before { content: attr(data-label); color: var(--quiet); text-align: left; }
  .wide td.none { display: none; }
}
`;
