import { validEnd } from './valid-end.ts';
import { walkRecords } from './walk-records.ts';

const xlogManager = 0;
const xlogSwitch = 0x40;

/** Whether the records of a segment reach its end, or end with a switch of WAL: a segment that was still written to has neither. */
export function isFullSegment(segment: Buffer): boolean {
  const end = validEnd(segment);
  if (end === undefined) return false;
  if (Math.ceil(end / 8) * 8 >= segment.length) return true;
  let last: { readonly end: number; readonly isSwitch: boolean } | undefined;
  for (const { manager, info, end: recordEnd } of walkRecords(segment))
    last = { end: recordEnd, isSwitch: manager === xlogManager && (info & 0xf0) === xlogSwitch };
  return last?.isSwitch === true && last.end === end;
}
