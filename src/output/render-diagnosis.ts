import type { Diagnosis, ServerDiagnosis, SourcedValue, SourcedValues } from '../operations/reports/diagnosis.ts';
import type { Json, JsonObject } from '../shared/format-json.ts';
import { formatJson } from '../shared/format-json.ts';
import { redactSecrets } from '../shared/log-file.ts';
import type { Voice } from '../shared/voice.ts';
import { type ShownValue, shownFact } from './python-words.ts';
import { recordJson } from './render-backup-record.ts';
import { jsonOfShown } from './render-server-details.ts';

interface DiagnosisOptions {
  /** Each value of the configuration with the file that it comes from. */
  readonly showsSources: boolean;
  readonly voice: Voice;
}

/** `diagnose`: JSON with four blanks of indent and sorted keys, passwords blanked (docs/reference/cli.md section 11.5). */
export function renderDiagnosis(diagnosis: Diagnosis, { showsSources, voice }: DiagnosisOptions): string {
  const { globalConfig, globalProblems, system, models, servers } = diagnosis;
  const configOf = (values: SourcedValues): JsonObject =>
    Object.fromEntries(Object.entries(values).map(([key, sourced]) => [key, valueOf(sourced, showsSources)]));
  const answer: JsonObject = {
    global: { config: { ...configOf(globalConfig), errors_list: [...globalProblems] }, system_info: { ...system } },
    models: Object.fromEntries(Object.entries(models).map(([name, values]) => [name, { config: configOf(values) }])),
    servers: Object.fromEntries(servers.map((server) => [server.name, serverJson(server, configOf(server.config))])),
    ...(voice === 'own' ? { pgcellar: ownJson(diagnosis, configOf) } : {}),
  };
  return formatJson(answer, { indent: 4, sortKeys: true, text: redactSecrets });
}

function ownJson({ version, servers }: Diagnosis, configOf: (values: SourcedValues) => JsonObject): JsonObject {
  return {
    version,
    servers: Object.fromEntries(servers.map(({ name, ownConfig }) => [name, { config: configOf(ownConfig) }])),
  };
}

function valueOf({ value, source }: SourcedValue, showsSources: boolean): Json {
  const json = jsonOfShown({ json: value, text: String(value) });
  return showsSources ? { value: json, source } : json;
}

function diagnosed(value: ShownValue): Json {
  return value.diagnosed ?? jsonOfShown(value);
}

function serverJson(server: ServerDiagnosis, config: JsonObject): JsonObject {
  const { activeModel, backups, messages, status, system, lastWals } = server;
  return {
    active_model: activeModel ?? null,
    backups: Object.fromEntries(backups.map((backup) => [backup.id, recordJson(backup, 'diagnose')])),
    config,
    msg_list: [...messages],
    status: Object.fromEntries(Object.entries(status).map(([key, fact]) => [key, diagnosed(shownFact(fact))])),
    ...(system === undefined ? {} : { system_info: { ...system } }),
    wals: {
      last_archived_wal_per_timeline: Object.fromEntries(lastWals.map((entry) => [entry.name.slice(0, 8), { ...entry }])),
    },
  };
}
