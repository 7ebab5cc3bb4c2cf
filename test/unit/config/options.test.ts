import { expect, test } from 'vitest';
import {
  barmanServerOptionNames,
  declarationOf,
  globalOptions,
  isGlobalOption,
  isServerOption,
  serverOptionNames,
} from '../../../src/config/options.ts';

test('there are the 122 server options of Barman 3.20.1, and thirteen of ours', () => {
  expect(barmanServerOptionNames).toHaveLength(122);
  expect(serverOptionNames.filter((name) => !barmanServerOptionNames.includes(name))).toEqual([
    'backup_after_switch',
    'backup_from',
    'backup_schedule',
    'cluster_ca_file',
    'cluster_cert_file',
    'cluster_key_file',
    'cluster_nodes',
    'cluster_slots',
    'cluster_ssh',
    'cluster_url',
    'hook_timeout',
    'restore_ahead',
    'verify_checksums',
  ]);
});

test('there are the 9 global options of Barman 3.20.1', () => {
  expect(Object.keys(globalOptions)).toHaveLength(9);
});

test('no option is both global and a server option', () => {
  expect(serverOptionNames.filter(isGlobalOption)).toEqual([]);
});

test('a hook exists before and after each event, once and again until it succeeds', () => {
  const hooks = serverOptionNames.filter((name) => /^(pre|post)_\w+_script$/.test(name));
  expect(hooks).toHaveLength(20);
  expect(hooks.every((name) => declarationOf(name).scope === 'GS')).toBe(true);
});

test('paths of a server are never global and never in a model', () => {
  const paths = serverOptionNames.filter((name) => declarationOf(name).scope === 'S');
  expect(paths).toEqual([
    'backup_directory',
    'basebackups_directory',
    'errors_directory',
    'incoming_wals_directory',
    'streaming_wals_directory',
    'wals_directory',
  ]);
});

test('a key of every object is no option', () => {
  expect(['constructor', '__proto__', 'toString'].filter((key) => isServerOption(key) || isGlobalOption(key))).toEqual([]);
});

test('every option says what it is for in one sentence', () => {
  const summaries = serverOptionNames.map((name) => declarationOf(name).summary);
  expect(summaries.filter((summary) => !/^[A-Z`].*\.$/.test(summary))).toEqual([]);
});
