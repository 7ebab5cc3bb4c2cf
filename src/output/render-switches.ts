import type { SwitchRecord } from '../cluster/switch-records.ts';
import type { SwitchReport } from '../operations/server/show-switches.ts';
import { formatLongTime, timestampFromEpoch } from '../shared/timestamp.ts';
import { formatLsn } from '../wal/lsn.ts';
import type { Report } from './report.ts';

/** `show-cluster --history` of one server: each change of the primary, and what it cost. */
export function renderSwitches({ serverName, switches, json }: SwitchReport): Report {
  return {
    lines: [
      `Server ${serverName}:`,
      ...(switches.length === 0 ? ['\tthe primary has not changed'] : switches.flatMap(linesOf)),
    ],
    json: { [serverName]: { switches: [...json] } },
  };
}

function linesOf(record: SwitchRecord): string[] {
  const { from, to, oldTimeline, newTimeline, fork, held, gone, fetched, secondsWithoutStream } = record;
  const row = (label: string, text: string): string => `\t\t${label}: ${text}`;
  const left = fork === undefined ? '' : `, left at ${formatLsn(fork)}`;
  return [
    `\t${timeText(record.at)}: from ${from} to ${to}`,
    row('Timelines', `${String(oldTimeline)}${left}; ${String(newTimeline)} since`),
    ...(held === undefined ? [] : [row('Held of the old timeline', `to ${formatLsn(held)}`)]),
    row('Lost', lossWords(record)),
    ...(gone.length === 0 ? [] : [row('Hole', `${gone[0] ?? ''} to ${gone.at(-1) ?? ''} (${String(gone.length)} segments)`)]),
    ...(fetched === 0 ? [] : [row('Fetched from other nodes', `${String(fetched)} segments`)]),
    ...(secondsWithoutStream === undefined ? [] : [row('Without a stream', `${String(secondsWithoutStream)} s`)]),
    row('Continuity', continuityWords(record)),
    ...(record.acknowledgedAt === undefined ? [] : [row('Acknowledged', timeText(record.acknowledgedAt))]),
  ];
}

function lossWords({ lostBytes, isLossExact, from }: SwitchRecord): string {
  if (isLossExact) return lostBytes === 0 ? 'nothing' : `${String(lostBytes)} bytes of the old timeline`;
  const seen = lostBytes === 0 ? 'nothing that was seen' : `at least ${String(lostBytes)} bytes of the old timeline`;
  return `${seen} (the last WAL that ${from} wrote was not read)`;
}

function continuityWords({ continuity, repeated }: SwitchRecord): string {
  if (continuity === 'verified') return 'the WAL that came again is the same as before';
  if (continuity === 'differs') return 'BROKEN: the WAL that came again differs from the WAL before';
  return repeated === undefined ? 'nothing came twice' : 'not compared yet';
}

function timeText(at: Date): string {
  return formatLongTime(timestampFromEpoch(at.getTime() / 1000));
}
