// A horizontal bar chart as SVG, without a dependency: one panel per case, one bar per library,
// each panel with its own linear scale from zero, the value written beside the bar.
// Follows the reader's light or dark theme.

const kWidth = 820;
const kLabel = 130;
const kValue = 190;
const kBar = 18;
const kGap = 6;
const kTitle = 30;
const kMargin = 16;

const kEntities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => kEntities[c]);

/**
 * panels: [{ title, bars: [{ label, value, text, own, estimated }] }]. `own` bars get the accent
 * colour; `estimated` ones (extrapolated, not measured in full) are hatched.
 */
export function barChart(title, panels) {
  const rows = panels.reduce((sum, panel) => sum + panel.bars.length, 0);
  const height = 2 * kMargin + kTitle + panels.length * (kTitle + kGap) + rows * (kBar + kGap);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${kWidth} ${height}" role="img" ` +
      `aria-label="${escape(title)}" font-family="system-ui, sans-serif" font-size="13">`,
    '<style>.bg{fill:#fff}.t{fill:#1c2024}.m{fill:#60646c}.o{fill:#0b68cb}.p{fill:#b0b7c3}' +
      '.h{stroke:#fff}@media (prefers-color-scheme:dark){.bg{fill:#15181c}.t{fill:#eceef0}' +
      '.m{fill:#a0a6b0}.o{fill:#4aa3ff}.p{fill:#565d69}.h{stroke:#15181c}}</style>',
    '<defs><pattern id="b" width="6" height="6" patternUnits="userSpaceOnUse" ' +
      'patternTransform="rotate(45)"><rect class="p" width="6" height="6"/>' +
      '<line class="h" y2="6" stroke-width="3"/></pattern></defs>',
    `<rect class="bg" width="${kWidth}" height="${height}"/>`,
    `<text class="t" x="${kMargin}" y="${kMargin + 16}" font-size="16" font-weight="600">` +
      `${escape(title)}</text>`,
  ];
  let y = kMargin + kTitle;
  const room = kWidth - 2 * kMargin - kLabel - kValue;
  for (const panel of panels) {
    const largest = Math.max(...panel.bars.map((bar) => bar.value), 1e-9);
    out.push(
      `<text class="t" x="${kMargin}" y="${y + 20}" font-weight="600">` +
        `${escape(panel.title)}</text>`,
    );
    y += kTitle;
    for (const bar of panel.bars) {
      const width = Math.max(1, (Math.max(0, bar.value) / largest) * room).toFixed(1);
      const fill = bar.estimated ? 'fill="url(#b)"' : `class="${bar.own ? 'o' : 'p'}"`;
      const x = kMargin + kLabel;
      out.push(
        `<text class="m" x="${x - 8}" y="${y + 14}" text-anchor="end">${escape(bar.label)}</text>`,
        `<rect ${fill} x="${x}" y="${y}" width="${width}" height="${kBar}" rx="2"/>`,
        `<text class="t" x="${x + Number(width) + 6}" y="${y + 14}">${escape(bar.text)}</text>`,
      );
      y += kBar + kGap;
    }
    y += kGap;
  }
  out.push('</svg>');
  return `${out.join('\n')}\n`;
}
