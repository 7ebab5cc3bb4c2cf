import type { Backup } from '../catalog/backups/backup.ts';
import type { PlannedRestore, PlannedStage, RestorePlan } from '../restore/plan/restore-plan.ts';
import type { Json, JsonObject } from '../shared/format-json.ts';
import { formatLongTime } from '../shared/timestamp.ts';
import { formatInterval, formatSize } from '../shared/units.ts';
import { formatLsn } from '../wal/lsn.ts';
import type { Report } from './report.ts';

const shownOthers = 5;

/** The plan of a restore: the head of a run, and all that a dry run prints. Reasons against it are told as errors. */
export function renderRestorePlan(plan: RestorePlan): Report {
  const { planned } = plan;
  return {
    lines: [
      `Restore plan for server ${plan.serverName}:`,
      ...(planned === undefined ? ['\tno backup to restore'] : linesOf(plan, planned)),
    ],
    json: { plan: jsonOf(plan) },
  };
}

function linesOf(plan: RestorePlan, planned: PlannedRestore): string[] {
  return [
    ...backupLines(planned),
    ...treeLines(planned),
    ...planned.staging
      .filter(({ bytes }) => bytes > 0)
      .map((one) => `\tStaging: ${formatSize(one.bytes)} at most in ${at(one)}`),
    ...spaceLines(planned),
    ...walLines(planned),
    `\tTimelines: ${timelineText(planned)}`,
    ...settingLines(planned),
    ...configurationLines(planned),
    `\tTime: ${timeText(planned.stages)}`,
    ...(plan.refusals.length === 0
      ? []
      : [`\tRefused: ${String(plan.refusals.length)} ${plan.refusals.length === 1 ? 'reason' : 'reasons'}`]),
  ];
}

function backupLines({ backup, reason, passedOver, source }: PlannedRestore): string[] {
  const ended = backup.endTime === null ? '' : `, ended ${formatLongTime(backup.endTime)}`;
  const chain =
    source.members.length === 1 ? [] : [`\t  built on: ${source.members.map((member) => member.backup.id).join(' > ')}`];
  const others = passedOver.slice(0, shownOthers).map(({ id, reason: against }) => `\t  not ${id}: ${against}`);
  const more = passedOver.length > shownOthers ? [`\t  and ${String(passedOver.length - shownOthers)} more`] : [];
  return [`\tBackup: ${backup.id} (${formOf(backup)}${ended}): ${reason}`, ...chain, ...others, ...more];
}

function formOf({ version, compression, encryption, parentBackupId }: Backup): string {
  const words = [
    parentBackupId === null ? 'full' : 'incremental',
    compression === null ? 'plain' : `tar${compression === 'none' ? '' : ` ${compression}`}`,
    ...(encryption === null ? [] : ['encrypted']),
  ];
  const major = version === null ? 'unknown version' : `PostgreSQL ${String(Math.floor(version / 10_000))}`;
  return `${major}, ${words.join(', ')}`;
}

function treeLines({ trees, source }: PlannedRestore): string[] {
  const isCombined = source.members.length > 1;
  return trees.flatMap(({ kind, name, source: from, destination, bytes, files, isExact }) => {
    const what = kind === 'data' ? 'Data' : `Tablespace ${name ?? ''}`;
    const size = isExact
      ? `${formatSize(bytes)} (${String(bytes)} bytes) in ${String(files)} files`
      : `about ${formatSize(bytes)} in ${String(files)} files (an estimate: packed incremental files are too many to be looked into)`;
    const manifest = isCombined && kind === 'data' ? ', and the backup_manifest that pg_combinebackup writes' : '';
    return [`\t${what}: ${destination}`, `\t  from ${from}, ${size}${manifest}`];
  });
}

function spaceLines({ spaces }: PlannedRestore): string[] {
  const asked = spaces.filter(({ neededBytes, sharesBlocks }) => neededBytes > 0 || sharesBlocks);
  return asked.map(({ host, path, neededBytes, freeBytes, sharesBlocks }) => {
    const shares = sharesBlocks ? ' (files there share their blocks with the backup)' : '';
    return `\tSpace: ${formatSize(neededBytes)} needed, ${formatSize(freeBytes)} free at ${at({ host, path })}${shares}`;
  });
}

function at({ host, path }: { readonly host: string; readonly path: string }): string {
  return host === 'local' ? path : `${path} on ${host}`;
}

function walLines({ wal, places }: PlannedRestore): string[] {
  const range = wal.range === undefined ? 'unknown range' : `from ${wal.range.first} to ${wal.range.last}`;
  const files = wal.copies.length + (wal.streamingPartial === undefined ? 0 : 1);
  const way =
    places.wal.kind === 'fetched'
      ? 'fetched when the server asks for it'
      : `${String(files)} files, ${formatSize(wal.bytes)} (${String(wal.bytes)} bytes) into ${places.wal.folder}`;
  const holes = wal.holes.map(({ first, last, segments }) =>
    segments === 1 ? `\t  missing: ${first}` : `\t  missing: ${first} to ${last} (${String(segments)} segments)`,
  );
  return [`\tWAL: ${range}, ${way}`, ...holes];
}

function timelineText({ timelines }: PlannedRestore): string {
  return timelines.lineage
    .map(({ timeline, until }) => (until === undefined ? String(timeline) : `${String(timeline)} until ${formatLsn(until)}`))
    .join(' > ');
}

function settingLines({ settings }: PlannedRestore): string[] {
  if (settings === undefined) return ['\tRecovery settings: none, the server starts as after a crash'];
  const signal = settings.signalName === undefined ? '' : `, and an empty ${settings.signalName}`;
  const others = settings.neutralised.length === 0 ? [] : [`\t  without effect: ${keysOf(settings.neutralised)}`];
  return [`\tRecovery settings in ${settings.fileName}${signal}:`, ...settings.lines.map((line) => `\t  ${line}`), ...others];
}

function keysOf(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/ = .*/, '')).join(', ');
}

function configurationLines({ configuration }: PlannedRestore): string[] {
  const { changes, warnings, missingFiles, included } = configuration;
  const block = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : [`\t${title}:`, ...lines.map((line) => `\t  ${line}`)];
  return [
    ...block(
      'Settings that are neutralised',
      changes.map(
        ({ file, line, key, value }) =>
          `${file} line ${String(line)}: ${key} ${value === null ? 'is taken out' : `= ${value}`}`,
      ),
    ),
    ...block('Settings of included files that have no effect', included.filter(({ hasEffect }) => !hasEffect).map(asWritten)),
    ...block('Settings to review', [...warnings, ...included.filter(({ hasEffect }) => hasEffect)].map(asWritten)),
    ...block('Files that are not part of the backup', missingFiles),
  ];
}

function asWritten({ file, line, key, value }: PlannedRestore['configuration']['warnings'][number]): string {
  return `${file} line ${String(line)}: ${key} = ${value ?? ''}`;
}

function timeText(stages: readonly PlannedStage[]): string {
  const known = stages.filter(({ seconds }) => seconds !== undefined);
  if (known.length === 0) return 'unknown, nothing like it was measured yet';
  const total = known.reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  const parts = known.map(({ stage, seconds = 0 }) => `${stage} ${seconds.toFixed(1)} s`).join(', ');
  const unknown = stages.filter(({ seconds }) => seconds === undefined).map(({ stage }) => stage);
  const basis = known.every((stage) => stage.basis === 'earlier restores') ? 'earlier restores' : 'the copy of the backup';
  const rest = unknown.length === 0 ? '' : `; without ${unknown.join(' and ')}`;
  const seconds = Math.round(total);
  return `${seconds < 1 ? '' : 'about '}${formatInterval(seconds)} (${parts}; by ${basis}${rest})`;
}

function jsonOf(plan: RestorePlan): JsonObject {
  const { planned } = plan;
  return {
    server: plan.serverName,
    target: targetJson(plan),
    ...(planned === undefined ? { backup: null } : plannedJson(planned)),
    warnings: plan.warnings,
    refusals: plan.refusals.map(({ code, message, hint }) => ({ code, message, hint: hint ?? null })),
  };
}

function targetJson({ target }: RestorePlan): Json {
  switch (target.kind) {
    case 'time':
      return { kind: 'time', value: formatLongTime(target.time) };
    case 'lsn':
      return { kind: 'lsn', value: formatLsn(target.lsn) };
    case 'xid':
      return { kind: 'xid', value: target.xid };
    case 'name':
      return { kind: 'name', value: target.name };
    case 'none':
    case 'immediate':
      return { kind: target.kind };
  }
}

function plannedJson(planned: PlannedRestore): JsonObject {
  const {
    backup,
    reason,
    passedOver,
    source,
    trees,
    spaces,
    wal,
    places,
    timelines,
    settings,
    configuration,
    staging,
    stages,
  } = planned;
  return {
    backup: {
      id: backup.id,
      name: backup.backupName,
      reason,
      passed_over: passedOver.map(({ id, reason: against }) => ({ id, reason: against })),
      chain: source.members.map((member) => member.backup.id),
      form: formOf(backup),
    },
    trees: trees.map(({ kind, name, source: from, destination, bytes, files, isExact }) => ({
      kind,
      name: name ?? null,
      source: from,
      destination,
      bytes,
      files,
      exact: isExact,
    })),
    staging: staging.map(({ host, path, bytes }) => ({ host, path, bytes })),
    space: spaces.map(({ host, path, neededBytes, freeBytes }) => ({
      host,
      path,
      needed_bytes: neededBytes,
      free_bytes: freeBytes,
    })),
    wal: {
      first: wal.range?.first ?? null,
      last: wal.range?.last ?? null,
      holes: wal.holes.map(({ first, last, segments }) => ({ first, last, segments })),
      files: [
        ...wal.copies.map(({ restoredName }) => restoredName),
        ...(wal.streamingPartial === undefined ? [] : [wal.streamingPartial.restoredName]),
      ],
      bytes: wal.bytes,
      destination: places.wal.kind === 'fetched' ? null : places.wal.folder,
    },
    timelines: timelines.lineage.map(({ timeline, since, until }) => ({
      timeline,
      since: since === undefined ? null : formatLsn(since),
      until: until === undefined ? null : formatLsn(until),
    })),
    recovery_settings:
      settings === undefined
        ? null
        : { file: settings.fileName, lines: [...settings.neutralised, ...settings.lines], signal: settings.signalName ?? null },
    configuration: {
      changes: configuration.changes.map(({ file, line, key, value }) => ({ file, line, key, value })),
      warnings: configuration.warnings.map(({ file, line, key, value }) => ({ file, line, key, value })),
      missing_files: configuration.missingFiles,
      included: configuration.included.map(({ file, line, key, value, hasEffect }) => ({
        file,
        line,
        key,
        value,
        has_effect: hasEffect,
      })),
    },
    stages: stages.map(({ stage, bytes, seconds, basis }) => ({ stage, bytes, estimated_seconds: seconds ?? null, basis })),
  };
}
