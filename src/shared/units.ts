import { formatFixed } from './format-fixed.ts';

const sizeUnits = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'] as const;

/** Bytes for people (docs/reference/cli.md section 4): `0 B`, `1.5 KiB`, `-48.0 MiB`. */
export function formatSize(bytes: number): string {
  if (Math.abs(bytes) < 1024) return `${String(Math.trunc(bytes))} B`;
  let value = bytes;
  let unit = '';
  for (const next of sizeUnits) {
    value /= 1024;
    unit = next;
    if (Math.abs(value) < 1024) break;
  }
  return `${formatFixed(value, 1)} ${unit}`;
}

/** A duration for people (docs/reference/cli.md section 4): `1 hour, 2 seconds`, `less than one second`, `3 minutes ago` when negative. */
export function formatInterval(seconds: number): string {
  const whole = Math.abs(seconds);
  const parts = [
    countOf(Math.floor(whole / 86_400), 'day'),
    countOf(Math.floor((whole % 86_400) / 3_600), 'hour'),
    countOf(Math.floor((whole % 3_600) / 60), 'minute'),
    countOf(Math.floor(whole % 60), 'second'),
  ].filter((part) => part !== undefined);
  const text = parts.length === 0 ? 'less than one second' : parts.join(', ');
  return seconds < 0 ? `${text} ago` : text;
}

function countOf(count: number, unit: string): string | undefined {
  if (count === 0) return undefined;
  return `${String(count)} ${unit}${count === 1 ? '' : 's'}`;
}
