import type { ConfigurationLine, RestoreReport } from '../operations/reports/restore-reports.ts';
import type { Json, JsonObject } from '../shared/format-json.ts';
import { epochSeconds, formatLongTime } from '../shared/timestamp.ts';
import { formatInterval } from '../shared/units.ts';
import type { Report } from './report.ts';

/** A block of the result: console lines, and the warning that stands for it in JSON. */
interface Block {
  readonly lines: readonly string[];
  readonly warning: string;
}

/** Result block at the end of a restore (docs/reference/cli.md sections 9 and 12). */
export function renderRestoreReport(report: RestoreReport): Report {
  const blocks = [changesBlock(report), warningsBlock(report), missingBlock(report), getWalBlock(report)].filter(
    (block) => block !== undefined,
  );
  return {
    lines: [...blocks.flatMap(({ lines }) => ['', ...lines]), '', ...completion(report)],
    json: { ...jsonOf(report), ...(blocks.length === 0 ? {} : { _WARNING: blocks.map(({ warning }) => warning) }) },
  };
}

function changesBlock({ changes }: RestoreReport): Block | undefined {
  if (changes.length === 0) return undefined;
  return {
    lines: ['IMPORTANT', 'These settings have been modified to prevent data losses', '', ...changes.map(lineOf)],
    warning: "IMPORTANT! Some settings have been modified to prevent data losses. See 'changes' key.",
  };
}

function warningsBlock({ warnings }: RestoreReport): Block | undefined {
  if (warnings.length === 0) return undefined;
  return {
    lines: [
      'WARNING',
      'You are required to review the following options as potentially dangerous',
      '',
      ...warnings.map(lineOf),
    ],
    warning: "WARNING! You are required to review the options as potentially dangerous. See 'warnings' key.",
  };
}

function missingBlock({ missingFiles }: RestoreReport): Block | undefined {
  if (missingFiles.length === 0) return undefined;
  return {
    lines: [
      'WARNING',
      'These configuration files are not part of the backup; put them in place before you start PostgreSQL',
      '',
      ...missingFiles.map((file) => `    ${file}`),
    ],
    warning: "WARNING! Some configuration files are not part of the backup. See 'missing_files' key.",
  };
}

function getWalBlock({ fetchesWal }: RestoreReport): Block | undefined {
  if (!fetchesWal) return undefined;
  const lines = [
    "WARNING: the restored server fetches its WAL with 'get-wal'.",
    "Before you start it, review the recovery settings in the destination and make sure that PostgreSQL's user can run",
    "their 'restore_command'.",
  ];
  return { lines, warning: lines.join(' ') };
}

function completion({ startedAt, elapsedSeconds }: RestoreReport): string[] {
  return [
    `Restore operation completed (start time: ${formatLongTime(startedAt)}, elapsed time: ${formatInterval(elapsedSeconds)})`,
    'Your PostgreSQL server has been successfully prepared for recovery!',
  ];
}

function jsonOf({ changes, warnings, missingFiles, stages, startedAt, elapsedSeconds }: RestoreReport): JsonObject {
  return {
    changes: changes.map(tupleOf),
    changes_count: changes.length,
    warnings: warnings.map(tupleOf),
    warnings_count: warnings.length,
    missing_files: missingFiles,
    recovery_start_time: formatLongTime(startedAt),
    recovery_start_time_timestamp: String(epochSeconds(startedAt)),
    recovery_elapsed_time: formatInterval(elapsedSeconds),
    recovery_elapsed_time_seconds: elapsedSeconds,
    stages: stages.map(({ stage, bytes, seconds }) => ({
      stage,
      bytes,
      seconds,
      bytes_per_second: seconds > 0 ? Math.round(bytes / seconds) : null,
    })),
  };
}

function lineOf({ file, line, key, value }: ConfigurationLine): string {
  return `${file} line ${String(line)}: ${key} = ${value ?? 'None'}`;
}

function tupleOf({ file, line, key, value }: ConfigurationLine): Json {
  return [file, line, key, value];
}
