// The latency plot: one dot for each of the latest edits, on a logarithmic scale of milliseconds.

export type Series = 'durable' | 'seen';

const keep = 100;
const low = 0.5;
const high = 2000;
const ticks = [1, 10, 100, 1000];

export class Plot {
  private readonly samples: Record<Series, number[]> = { durable: [], seen: [] };
  private drawing = false;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly medians: Record<Series, HTMLOutputElement>,
  ) {
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  add(series: Series, ms: number): void {
    const list = this.samples[series];
    list.push(ms);
    if (list.length > keep) list.shift();
    const sorted = [...list].sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1]!;
    this.medians[series].value = `${median < 10 ? median.toFixed(1) : Math.round(median)} ms`;
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }

  private draw(): void {
    const { canvas } = this;
    const scale = devicePixelRatio;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext('2d')!;
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const color = (name: string): string => style.getPropertyValue(name);
    const margin = { left: 64, right: 8, top: 8, bottom: 8 };
    const y = (ms: number): number => {
      const part = Math.log(Math.min(high, Math.max(low, ms)) / low) / Math.log(high / low);
      return height - margin.bottom - part * (height - margin.top - margin.bottom);
    };
    const x = (i: number): number =>
      margin.left + ((i + 0.5) / keep) * (width - margin.left - margin.right);
    context.font = `12px ${style.fontFamily}`;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const tick of ticks) {
      context.fillStyle = color('--soft');
      context.fillText(tick < 1000 ? `${tick} ms` : '1 s', margin.left - 12, y(tick));
      context.fillStyle = color('--line');
      context.fillRect(margin.left, y(tick), width - margin.left - margin.right, 1);
    }
    const dots: [Series, string][] = [
      ['seen', '--right'],
      ['durable', '--accent'],
    ];
    for (const [series, name] of dots) {
      context.fillStyle = color(name);
      this.samples[series].forEach((ms, i) => {
        context.beginPath();
        if (series == 'seen') context.rect(x(i) - 2.5, y(ms) - 2.5, 5, 5);
        else context.arc(x(i), y(ms), 3, 0, 2 * Math.PI);
        context.fill();
      });
    }
    const texts = Object.values(this.medians).map((output) => output.value);
    canvas.ariaLabel = `Median latency: ${texts[0]} until durable, ${texts[1]} until seen`;
  }
}
