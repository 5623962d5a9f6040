"""How pages look, on a screen by day and night, on a phone and on paper."""

STYLE = """
:root { --ink: #1c2430; --soft: #5f6b7a; --line: #dde3ea; --paper: #fff; --back: #f3f5f8; --mark: #1769aa;
  --good: #1a7f4b; --bad: #b3372c; --tint: #eef5fb;
  --c1: #2a6fb0; --c2: #d9822b; --c3: #2e8b62; --c4: #8a5bb5; --c5: #c94f6d; --c6: #6b7f2a; --c7: #28919c;
  --c8: #8b95a1; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #98a4b3; --line: #313a46;
  --paper: #1b2129; --back: #13171d; --mark: #6cb6f5; --good: #58c48a; --bad: #ee7d72; --tint: #202c38;
  --c1: #64abec; --c2: #f0a456; --c3: #56bd8e; --c4: #b791e0; --c5: #ee8aa2; --c6: #a9bd5c; --c7: #5dc3cd;
  --c8: #8793a1; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 12px; }
p { margin: 0 0 12px; } .soft, figcaption, small { color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px;
  margin-top: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin-top: 20px; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; }
.card b { display: block; font-size: 24px; font-weight: 650; } .card small { display: block; }
.wide { overflow-x: auto; } .wide:not(:last-child) { margin-bottom: 18px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); font-size: 13px; text-align: right; vertical-align: bottom; }
th, td { padding: 5px 8px; white-space: nowrap; }
td.section { white-space: normal; max-width: 150px; } td { text-align: right; }
th.name, td.name { text-align: left; } tbody { border-top: 1px solid var(--line); }
tbody.mean { border-top: 2px solid var(--ink); } tr.model td { font-weight: 600; background: var(--tint); }
td small { display: block; font-weight: 400; font-size: 11px; }
 .good { color: var(--good); } .bad { color: var(--bad); }
.warning { border-left: 4px solid var(--bad); padding-left: 12px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); gap: 16px; }
figure { margin: 0; } figcaption { font-size: 13px; display: flex; justify-content: space-between; gap: 8px; }
img { display: block; width: 100%; height: auto; border-radius: 6px; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--mark); }
.heads { display: flex; font-size: 12px; color: var(--soft); } .heads span { flex: 1; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
dt { font-weight: 600; } dd { margin: 0; color: var(--soft); } svg { width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .axis { stroke: var(--line); }
svg .soft { fill: var(--soft); }
.chart { margin: 0 0 22px; } .chart figcaption { flex-wrap: wrap; justify-content: flex-start; gap: 2px 10px;
  align-items: baseline; margin-bottom: 6px; color: var(--ink); font-size: 14px; }
.unit { color: var(--soft); font-size: 12px; } .under { text-align: right; }
.keys { margin-left: auto; display: flex; flex-wrap: wrap; gap: 2px 14px; } .key { font-size: 12px; }
svg.swatch { width: 14px; height: 8px; margin-right: 5px; vertical-align: 0; }
.chart { --tall: 150px; } .plot { position: relative; margin-left: 46px; }
.drawing { display: block; height: var(--tall); overflow: visible; }
.levels { position: absolute; inset: 0 auto auto -46px; width: 40px; height: var(--tall); }
.levels span, .times span { position: absolute; font-size: 11px; line-height: 1; color: var(--soft);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.levels span { right: 0; transform: translateY(-50%); }
.times { position: relative; height: 18px; margin-top: 6px; } .times span { transform: translateX(-50%); }
.lanes .plot { border-left: 1px solid var(--line); } .lane span { font-size: 12px; color: var(--soft); }
.lane { padding: 0 0 5px; } .lane span { padding-left: 6px; } .lane .drawing { height: 12px; }
.lane .drawing { background: var(--back); }
.c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); } .c4 { color: var(--c4); }
.c5 { color: var(--c5); } .c6 { color: var(--c6); } .c7 { color: var(--c7); } .c8 { color: var(--c8); }
.level { stroke: var(--line); } .level, .curve { fill: none; vector-effect: non-scaling-stroke; }
.curve { stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.band { fill: currentColor; opacity: 0.18; } .layer, .swatch rect { fill: currentColor; }
.events { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 18px 16px; }
.event figcaption { display: block; padding-top: 6px; } .event b { color: var(--ink); font-size: 14px; }
.none { display: grid; place-items: center; aspect-ratio: 16 / 9; border: 1px dashed var(--line);
  border-radius: 6px; color: var(--soft); font-size: 13px; }
.facts { grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 2px 24px; margin-top: 8px; }
.facts div { display: flex; gap: 8px; font-size: 13px; } .facts dt { min-width: 110px; }
.facts dd { overflow-wrap: anywhere; } h3 { font-size: 15px; margin: 24px 0 10px; }
section .cards { margin: 0 0 24px; }
section .card { background: var(--back); border: 0; padding: 10px 14px; } section .card b { font-size: 20px; }
a { color: var(--mark); text-decoration: none; }
@media (max-width: 560px) { .grid { grid-template-columns: 1fr; } main { padding: 16px 8px; }
  section { padding: 16px 12px; } .times span:nth-child(even) { display: none; }
  .events { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); } .cards { gap: 8px; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); } }
@media print { body { background: none; font-size: 12px; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; } main { max-width: none; padding: 0; }
  section { border: 0; padding: 8px 0; margin: 0; } figure, .card, tr, dl div { break-inside: avoid; }
  h2, h3 { break-after: avoid; } section[id] { break-before: page; }
  .wide { overflow: visible; } th, td { padding: 3px 4px; white-space: normal; }
  .chart { --tall: 100px; margin: 0 0 12px; } .cards, section .cards { gap: 6px; margin: 0 0 14px;
  grid-template-columns: repeat(auto-fit, minmax(90px, 1fr)); } .card, section .card { padding: 6px 8px; }
  .card b, section .card b { font-size: 15px; } p { margin: 0 0 6px; } h3 { margin: 12px 0 6px; }
  .events { grid-template-columns: repeat(4, 1fr); } .facts { grid-template-columns: repeat(3, 1fr); }
  .facts div { font-size: 11px; } .facts dt { min-width: 80px; } }
"""
