import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';

/** The line of a place in a stack: file of the program, line and column, both from 1. */
const placeInProgram = /(\/[^\s()]+\.cjs):(\d+):(\d+)/g;

/**
 * Stack of an error that is a bug of ours, with the places of our source: the program is built of many files and has short local names.
 * A file without a map beside it is named as it is.
 */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const maps = new Map<string, SourceMap | undefined>();
  const mapOf = (path: string): SourceMap | undefined => {
    if (!maps.has(path)) maps.set(path, readMap(path));
    return maps.get(path);
  };
  return (error.stack ?? error.message).replaceAll(placeInProgram, (place, path: string, line: string, column: string) => {
    const entry = mapOf(path)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    return `${withoutWayUp(entry.originalSource)}:${String(entry.originalLine + 1)}:${String(entry.originalColumn + 1)}`;
  });
}

function readMap(path: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')) as SourceMapPayload); // the build wrote it
  } catch {
    return undefined;
  }
}

function withoutWayUp(path: string): string {
  return path.replace(/^(?:\.\.\/)+/, '');
}
