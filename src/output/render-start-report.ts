import type { StartReport } from '../operations/restoring/start-restored.ts';
import { quoteWord } from '../shared/shell-words.ts';
import { formatInterval } from '../shared/units.ts';
import type { Report } from './report.ts';

/** How the recovery of a restored server went, and how to get at the server. */
export function renderStartReport(report: StartReport): Report {
  const {
    hasReachedTarget,
    state,
    replayedTo,
    lastCommitAt,
    logLines,
    dataFolder,
    pid,
    port,
    socketFolder,
    logFile,
    elapsedSeconds,
  } = report;
  const words = {
    paused: 'it is paused there: look around, then SELECT pg_wal_replay_resume() opens it',
    open: 'it is open for writing',
    standby: 'it is a standby that waits for more WAL',
    stopped: 'it has stopped',
  }[state];
  return {
    lines: [
      '',
      hasReachedTarget
        ? `Recovery target reached after ${formatInterval(elapsedSeconds)}; ${words}`
        : `Recovery target NOT reached; ${words}`,
      `\tReplayed to: ${replayedTo ?? 'unknown'}`,
      `\tLast commit: ${lastCommitAt ?? 'none was replayed'}`,
      ...(state === 'stopped'
        ? []
        : [
            `\tConnect: psql -h ${quoteWord(socketFolder)} -p ${String(port)} -U postgres`,
            `\tStop: kill -INT ${String(pid)}, then start it with your own service on ${dataFolder}`,
          ]),
      `\tLog: ${logFile}`,
      ...logLines.map((line) => `\t  ${line}`),
    ],
    json: {
      start: {
        reached: hasReachedTarget,
        state,
        replayed_to: replayedTo ?? null,
        last_commit: lastCommitAt ?? null,
        pid,
        port,
        socket_directory: socketFolder,
        log_file: logFile,
        log_lines: logLines,
        elapsed_seconds: elapsedSeconds,
      },
    },
  };
}
