import type { WalHole } from '../catalog/wal/judge-continuity.ts';

/** Names that fit into a line. */
const mostNamed = 5;

/** `WAL A..B missing (3 segments): backups X, Y cannot be restored past it`. */
export function describeHole({ first, last, count, cutOff, unusable }: WalHole): string {
  const range = first === last ? first : `${first}..${last}`;
  const size = `${String(count)} ${count === 1 ? 'segment' : 'segments'}`;
  const losses = [
    ...(cutOff.length === 0 ? [] : [`${named(cutOff)} cannot be restored past it`]),
    ...(unusable.length === 0 ? [] : [`${named(unusable)} cannot be restored at all`]),
  ];
  return `WAL ${range} missing (${size}): ${losses.join(', ')}`;
}

function named(ids: readonly string[]): string {
  const more = ids.length - mostNamed;
  const list = ids.slice(0, mostNamed).join(', ');
  return `${ids.length === 1 ? 'backup' : 'backups'} ${list}${more > 0 ? ` and ${String(more)} more` : ''}`;
}
