"""Nothing -> the report's style sheet and its small script; both schemes, no network."""

CSS = """
:root { color-scheme: light dark;
  --ground: #fbf8f3; --panel: #ffffff; --well: #f3ede4; --line: #e4dacb; --text: #1f1710; --soft: #5a4b3d;
  --faint: #75665a; --accent: #a85600; --fill: #d97b12; --band: #b9a58f; --good: #2f6b24; --goodfill: #6aa257;
  --warn: #b3290d; --warnfill: #d4613f; --cool: #14647a; --weakfill: #d9a94a; --nonefill: #cfc3b4;
  --usable: rgba(106, 162, 87, .14); --shade: 0 1px 2px rgba(70, 50, 30, .06), 0 8px 28px rgba(70, 50, 30, .06); }
@media (prefers-color-scheme: dark) { :root {
  --ground: #15100d; --panel: #1e1814; --well: #120d0a; --line: #33281f; --text: #f4eadc; --soft: #c9b9a5;
  --faint: #a4937f; --accent: #f6b05a; --fill: #f2a03d; --band: #6d5c4c; --good: #a5cd93; --goodfill: #7fae6b;
  --warn: #ff8d70; --warnfill: #d9603f; --cool: #7fc3d6; --weakfill: #c39339; --nonefill: #4b3e33;
  --usable: rgba(156, 196, 138, .2); --shade: 0 1px 2px rgba(0, 0, 0, .3), 0 10px 30px rgba(0, 0, 0, .25); } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 400 17px/1.55 Inter, "SF Pro Text", "Segoe UI", system-ui, -apple-system, "Noto Sans", "DejaVu Sans",
    sans-serif;
  font-feature-settings: "tnum" 1, "cv11" 1; text-rendering: optimizeLegibility;
    -webkit-font-smoothing: antialiased; }
main { max-width: 1080px; margin: 0 auto; padding: 72px 28px 96px; }
h1, h2, h3 { font-weight: 620; letter-spacing: -.018em; line-height: 1.12; margin: 0; text-wrap: balance; }
h1 { font-size: clamp(38px, 6vw, 64px); letter-spacing: -.03em; max-width: 19ch; font-feature-settings: "tnum" 0; }
h2 { font-size: clamp(26px, 3.2vw, 36px); margin: 0 0 10px; }
h3 { font-size: 20px; letter-spacing: -.012em; }
p { margin: 0 0 14px; max-width: 68ch; }
a { color: var(--accent); }
section { margin-top: 88px; }
.lead { font-size: 20px; line-height: 1.5; color: var(--soft); max-width: 60ch; margin-top: 20px; }
.kicker { font-size: 14px; font-weight: 600; color: var(--accent); margin: 0 0 16px; }
.soft { color: var(--soft); } .faint, small { color: var(--faint); font-size: 14px; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 18px; box-shadow: var(--shade); }
.verdicts { margin-top: 44px; }
.stack { display: flex; gap: 3px; height: 22px; border-radius: 11px; overflow: hidden; }
.stack i { display: block; min-width: 3px; }
.legend { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 22px 34px;
    margin: 22px 0 0; padding: 0; list-style: none; }
.legend b { font-size: 28px; font-weight: 620; letter-spacing: -.02em; line-height: 1.1;
    font-feature-settings: "tnum" 0; margin-right: 10px; }
.legend span { font-size: 15px; color: var(--soft); }
.legend small { display: block; max-width: 27ch; line-height: 1.4; margin-top: 7px; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
.v-proven { background: var(--goodfill); } .v-weak { background: var(--weakfill); }
.v-harmful { background: var(--warnfill); } .v-notshown { background: var(--nonefill); }
.v-untested { background: repeating-linear-gradient(135deg, var(--nonefill) 0 3px, var(--well) 3px 6px); }
.goals { display: grid; margin: 26px 0 0; padding: 6px 26px; }
.goal { display: grid; grid-template-columns: 28px 1fr auto; gap: 4px 14px; padding: 17px 0; align-items: baseline;
    }
.goal + .goal { border-top: 1px solid var(--line); }
.goal .sign { font-weight: 700; font-size: 18px; } .yes { color: var(--good); } .no { color: var(--warn); }
.goal .got { font-weight: 600; text-align: right; white-space: nowrap; } .goal small { grid-column: 2 / -1; }
.switch { display: inline-flex; background: var(--well); border: 1px solid var(--line); border-radius: 12px;
    padding: 3px; }
.switch button { font: inherit; font-size: 15px; border: 0; border-radius: 9px; padding: 6px 16px;
    color: var(--soft);
  background: none; cursor: pointer; }
.switch button[aria-pressed="true"] { background: var(--panel); color: var(--text); font-weight: 600;
    box-shadow: var(--shade); }
.bar { display: flex; flex-wrap: wrap; gap: 14px 28px; align-items: center; justify-content: space-between;
    margin: 18px 0 24px; }
.key { display: flex; flex-wrap: wrap; gap: 6px 22px; margin: 0; max-width: none; font-size: 14px;
    color: var(--soft); }
.key span { display: inline-flex; align-items: center; gap: 8px; }
.key svg { width: 26px; height: 14px; }
.sliders { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 22px; }
.slider { padding: 24px 24px 20px; display: flex; flex-direction: column; gap: 14px; min-width: 0; }
.slider header { display: flex; gap: 12px; justify-content: space-between; align-items: flex-start; }
.slider header small { display: block; margin-top: 4px; }
.chip { font-size: 13px; font-weight: 600; border-radius: 999px; padding: 3px 11px; white-space: nowrap;
    border: 1px solid; }
.c-proven { color: var(--good); } .c-weak { color: var(--accent); } .c-harmful { color: var(--warn); }
.c-notshown, .c-untested { color: var(--faint); }
.slider p { margin: 0; font-size: 15.5px; color: var(--soft); }
.plot { width: 100%; height: auto; display: block; overflow: visible; }
.mini { height: 14px; vertical-align: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--faint); stroke-width: 1;
    opacity: .65; }
svg .tick { fill: var(--faint); font-size: 12.5px; font-family: inherit; }
svg .band { fill: var(--band); opacity: .34; } svg .usable { fill: var(--usable); }
svg .dose { fill: none; stroke: var(--fill); stroke-width: 2.6; stroke-linejoin: round; }
svg .means { fill: none; stroke: var(--cool); stroke-width: 2; stroke-dasharray: 6 5; }
svg .whisker { stroke: var(--fill); stroke-width: 1.6; } svg .point { fill: var(--fill); stroke: var(--panel);
    stroke-width: 1.6; }
svg .point.outside { fill: var(--panel); stroke: var(--fill); stroke-width: 2; }
svg .chance { stroke: var(--cool); stroke-width: 1.8; stroke-dasharray: 6 5; }
svg rect.bar { fill: var(--band); } svg rect.bar.first { fill: var(--fill); }
svg .track { fill: var(--well); } svg .reach { fill: var(--goodfill); }
.clips { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }
.clip.beyond .play { border-style: dashed; border-color: var(--warn); }
.panel.text { padding: 22px 26px 10px; margin-top: 22px; font-size: 15.5px; }
.clip { margin: 0; min-width: 0; }
.clip audio { width: 100%; height: 36px; }
.clip figcaption { font-size: 13px; color: var(--faint); }
.play { font: inherit; font-size: 14.5px; font-weight: 550; width: 100%; display: flex; align-items: center;
    gap: 7px; text-align: left;
  padding: 9px; border-radius: 11px; border: 1px solid var(--line); color: var(--text); cursor: pointer;
    line-height: 1.2;
  background: linear-gradient(90deg, var(--usable) 0 0) no-repeat 0 0 / calc(var(--done, 0) * 100%) 100%,
    var(--well); }
.play:hover { border-color: var(--accent); } .play:focus-visible, .switch button:focus-visible {
    outline: 2px solid var(--accent); outline-offset: 2px; }
.play svg { width: 14px; height: 14px; flex: none; fill: var(--accent); }
.play .stop { display: none; } .play[aria-pressed="true"] .stop { display: inline; }
.play[aria-pressed="true"] .go { display: none; }
.script .clip audio, .script .clip figcaption { display: none; } html:not(.script) .play,
    html:not(.script) .switch { display: none; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; color: var(--faint); margin: 0; }
.facts b { color: var(--text); font-weight: 600; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 22px;
    margin-top: 26px; }
.two > .panel { padding: 24px; min-width: 0; } .two h3 { margin-bottom: 6px; } .two p { font-size: 15.5px;
    color: var(--soft); }
.scroll { overflow-x: auto; margin-top: 22px; padding: 4px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th { text-align: left; font-weight: 600; color: var(--faint); font-size: 13px; padding: 10px 14px;
    white-space: nowrap; }
td { padding: 9px 14px; border-top: 1px solid var(--line); vertical-align: middle; }
td.n, th.n { text-align: right; white-space: nowrap; } td:first-child, th:first-child { padding-left: 24px; }
td:last-child, th:last-child { padding-right: 24px; }
details > summary { cursor: pointer; font-weight: 600; padding: 18px 24px; list-style-position: inside; }
.reasons { display: grid; gap: 12px; margin: 22px 0 0; padding: 22px 26px; }
.reason { display: grid; grid-template-columns: minmax(0, 1fr) 44px; gap: 2px 14px; align-items: baseline;
    font-size: 15.5px; }
.reason i { grid-column: 1 / -1; height: 6px; border-radius: 3px; background: var(--nonefill); min-width: 3px; }
.reason b { text-align: right; }
dl { display: grid; grid-template-columns: minmax(130px, auto) 1fr; gap: 8px 24px; margin: 0; padding: 22px 26px;
    font-size: 14.5px; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
code, .mono { font-family: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace;
    font-size: .92em; }
footer { margin-top: 96px; padding-top: 22px; border-top: 1px solid var(--line); color: var(--faint);
    font-size: 14px; }
@media (max-width: 640px) { .clips { grid-template-columns: 1fr 1fr; } main { padding: 44px 18px 64px; } body {
    font-size: 16px; } section { margin-top: 64px;
    }
  .goal { grid-template-columns: 24px 1fr; } .goal .got { grid-column: 2; text-align: left; } dl {
    grid-template-columns: 1fr; gap: 2px; } dd { margin-bottom: 10px; } }
@media print { .play, .switch { display: none !important; } section { break-inside: avoid; } }
"""

SCRIPT = """
(() => {
  const root = document.documentElement; root.classList.add('script');
  let even = true, now = null;
  const set = audio => { audio.volume = even ? Number(audio.dataset.gain) : 1; };
  const buttons = [...document.querySelectorAll('.play')];
  const halt = () => { if (now) { now.audio.pause(); now.audio.currentTime = 0;
    now.button.setAttribute('aria-pressed', 'false');
    now.button.style.setProperty('--done', 0); now = null; } };
  buttons.forEach(button => {
    const audio = button.parentElement.querySelector('audio');
    audio.removeAttribute('controls');
    button.addEventListener('click', () => {
      const same = now && now.audio === audio; halt(); if (same) return;
      set(audio); audio.play(); now = { audio, button }; button.setAttribute('aria-pressed', 'true');
    });
    audio.addEventListener('timeupdate', () => button.style.setProperty('--done',
    audio.currentTime / (audio.duration || 1)));
    audio.addEventListener('ended', halt);
  });
  document.querySelectorAll('.switch button').forEach(button => button.addEventListener('click', () => {
    even = button.dataset.even === '1'; if (now) set(now.audio);
    document.querySelectorAll('.switch button').forEach(other =>
      other.setAttribute('aria-pressed', String((other.dataset.even === '1') === even)));
  }));
})();
"""
