// How figures are written: one piece for the terminal, the tables, the marks and the plots.

export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const thousands = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

/** At most three digits that say something, and no more than two behind the point. */
export const figure = (n) => {
  const digits = Math.abs(n) >= 99.95 ? 0 : Math.abs(n) >= 9.995 ? 1 : 2;
  return digits ? n.toFixed(digits) : thousands(Math.round(n));
};

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

/** "12 %", and never "0 %" for something that is there. */
export const percent = (share) => (share < 0.01 ? 'less than 1 %' : `${Math.round(100 * share)} %`);

/** A median with its unit: 'ms', 'bytes' or 'memory'. */
export function quantity(value, unit) {
  if (unit === 'bytes') return `${thousands(value)} B`;
  if (unit === 'memory') return megabytes(value);
  return `${figure(value)} ms`;
}

/** A Markdown table; the first column is left, the others right, unless `align` says otherwise. */
export function markdown(head, rows, align = head.map((_, i) => (i ? '---:' : '---'))) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(align), ...rows.map(line)].join('\n');
}
