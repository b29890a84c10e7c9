// Charts as SVG, without a dependency: bars for libraries side by side, and lines for what changes
// with the size of a document or with time. They follow the reader's light or dark theme.
//
// The same input gives the same bytes: docs/img is compared with what the results make.

import { thousands } from './crdt/format.mjs';

const kWidth = 820;
const kMargin = 16;
const kTitle = 30;
const kLabel = 116;
const kValue = 150;
const kBar = 17;
const kGap = 5;
const kMostTimes = 10; // a bar ends, visibly cut, at so many times the shortest of its panel

const kEntities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => kEntities[c]);
const place = (n) => Number(n.toFixed(1));

// t: text, m: muted text, o: our colour, p: others, g: grid, h: hatching, bg: background.
// l0 to l2: lines and what is written beside them.
const theme = (background, text, muted, own, other, grid, lines) =>
  `.bg,.cut{fill:${background}}.h{stroke:${background}}.t{fill:${text}}.m{fill:${muted}}` +
  `.o{fill:${own}}.p{fill:${other}}.g{stroke:${grid}}` +
  lines.map((colour, i) => `.l${i}{stroke:${colour};fill:${colour}}`).join('');
const kLight = theme('#fff', '#1c2024', '#60646c', '#0b68cb', '#b0b7c3', '#e3e6ea',
  ['#0b68cb', '#c2410c', '#5b6472']);
const kDark = theme('#15181c', '#eceef0', '#a0a6b0', '#4aa3ff', '#565d69', '#2a2f37',
  ['#4aa3ff', '#ff9a5c', '#a0a6b0']);
const kStyle = `${kLight}@media (prefers-color-scheme:dark){${kDark}}`;

function frame(title, note, height, body) {
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${kWidth} ${height}" role="img" ` +
      `aria-label="${escape(title)}" font-family="system-ui, sans-serif" font-size="13">`,
    `<style>${kStyle}</style>`,
    `<rect class="bg" width="${kWidth}" height="${height}"/>`,
    `<text class="t" x="${kMargin}" y="${kMargin + 14}" font-size="16" font-weight="600">` +
      `${escape(title)}</text>`,
    `<text class="m" x="${kMargin}" y="${kMargin + 34}" font-size="12">${escape(note)}</text>`,
    ...body,
    '</svg>',
  ].join('\n')}\n`;
}

// ---- bars ---------------------------------------------------------------------------------------

/**
 * panels: [{ title, bars: [{ label, value, text, own, estimated }] }], each with a linear scale of
 * its own from zero. `own` bars get the accent colour; `estimated` ones are hatched.
 */
export function barChart(title, note, panels) {
  const out = [
    '<defs><pattern id="b" width="6" height="6" patternUnits="userSpaceOnUse" ' +
      'patternTransform="rotate(45)"><rect class="p" width="6" height="6"/>' +
      '<line class="h" y2="6" stroke-width="3"/></pattern></defs>',
  ];
  let y = kMargin + kTitle + 16;
  for (const panel of panels) {
    out.push(
      `<text class="t" x="${kMargin}" y="${y + 18}" font-weight="600">` +
        `${escape(panel.title)}</text>`,
    );
    y += kTitle;
    const values = panel.bars.map((bar) => Math.max(bar.value, 1e-9));
    const end = Math.min(Math.max(...values), kMostTimes * Math.min(...values));
    for (const bar of panel.bars) {
      out.push(...oneBar(bar, y, end));
      y += kBar + kGap;
    }
    y += kGap + 3;
  }
  return frame(title, note, y + kMargin / 2, out);
}

function oneBar(bar, y, end) {
  const room = kWidth - 2 * kMargin - kLabel - kValue;
  const x = kMargin + kLabel;
  const width = place(Math.max(1.5, (Math.min(Math.max(0, bar.value), end) / end) * room));
  const fill = bar.estimated ? 'fill="url(#b)"' : `class="${bar.own ? 'o' : 'p'}"`;
  const strong = bar.own ? ' font-weight="600"' : '';
  const out = [
    `<text class="${bar.own ? 't' : 'm'}" x="${x - 8}" y="${y + 13}" text-anchor="end"${strong}>` +
      `${escape(bar.label)}</text>`,
    `<rect ${fill} x="${x}" y="${y}" width="${width}" height="${kBar}" rx="2"/>`,
    `<text class="t" x="${x + width + 7}" y="${y + 13}"${strong}>${escape(bar.text)}</text>`,
  ];
  if (bar.value > end * 1.0001) {
    const cut = x + width - 26; // two slanted gaps: the bar is longer than it is drawn
    for (const at of [cut, cut + 9]) {
      out.push(
        `<path class="cut" d="M${at} ${y + kBar}l5 ${-kBar}h4l-5 ${kBar}z"/>`,
      );
    }
  }
  return out;
}

// ---- lines --------------------------------------------------------------------------------------

const kPlot = { left: 74, right: 36, top: 96, bottom: 46, height: 420 };

/** A round step that divides 0..most into 4 to 8 parts. */
function step(most) {
  const power = 10 ** Math.floor(Math.log10(most / 4));
  return [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => most / s <= 8);
}

// A row of samples with their names, above the plot.
function legend(lines) {
  const out = [];
  let x = kPlot.left;
  for (const { label, colour, dashed } of lines) {
    out.push(
      `<path class="l${colour}"${stroke(dashed)} d="M${x} 70h24"/>`,
      `<text class="t" x="${x + 30}" y="74" font-size="12">${escape(label)}</text>`,
    );
    x += 46 + 6.7 * label.length;
  }
  return out;
}

const stroke = (dashed) =>
  ` style="fill:none" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ''}`;

/**
 * lines: [{ label, points: [[x, y]], colour: 0 to 2, dashed }]; x: { at(x) -> 0 to 1, ticks:
 * [[x, label]], title }; the y axis is linear from zero, `unit` beside its numbers.
 */
export function lineChart(title, note, x, unit, lines) {
  const { left, right, top, bottom, height } = kPlot;
  const most = Math.max(...lines.flatMap((line) => line.points.map((point) => point[1])));
  const by = step(most);
  const end = Math.ceil((most * 1.02) / by) * by;
  const px = (value) => place(left + x.at(value) * (kWidth - left - right));
  const py = (value) => place(height - bottom - (value / end) * (height - top - bottom));
  const out = [];
  for (let i = 0; i * by <= end * 1.0001; i++) {
    const value = Number((i * by).toPrecision(6));
    out.push(
      `<line class="g" x1="${left}" x2="${kWidth - right}" y1="${py(value)}" y2="${py(value)}"/>`,
      `<text class="m" x="${left - 8}" y="${py(value) + 4}" text-anchor="end" font-size="12">` +
        `${thousands(value)} ${escape(unit)}</text>`,
    );
  }
  for (const [value, label] of x.ticks) {
    out.push(
      `<text class="m" x="${px(value)}" y="${height - bottom + 18}" text-anchor="middle" ` +
        `font-size="12">${escape(label)}</text>`,
    );
  }
  out.push(
    `<text class="m" x="${(left + kWidth - right) / 2}" y="${height - 8}" text-anchor="middle" ` +
      `font-size="12">${escape(x.title)}</text>`,
  );
  for (const { points, colour, dashed } of lines) {
    const path = points.map(([a, b], i) => `${i ? 'L' : 'M'}${px(a)} ${py(b)}`).join('');
    out.push(`<path class="l${colour}"${stroke(dashed)} d="${path}"/>`);
    for (const [a, b] of dashed ? [] : points) {
      out.push(`<circle class="l${colour}" cx="${px(a)}" cy="${py(b)}" r="3.5"/>`);
    }
  }
  out.push(...legend(lines));
  return frame(title, note, height, out);
}
