// Does what the remedy of a check says, by the letter of its text: the program's own commands, SQL, settings, and what a hand would do.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Remedy, RemedyStep } from '../../src/check/remedy.ts';
import { stepText } from '../../src/output/render-remedy.ts';
import type { PostgresServer } from './postgres-server.ts';
import { programPath } from './run-pgcellar.ts';
import type { IniSection, TestHome } from './test-home.ts';

interface Surroundings {
  readonly home: TestHome;
  readonly serverName: string;
  /** The server's section as it stands; settings are laid over it. */
  section: IniSection;
  readonly cluster: PostgresServer;
  /** What stands for `…` in a setting or in SQL. */
  readonly blank?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly path?: readonly string[];
}

/** Takes every step of a remedy but its notes, in order. */
export async function mend({ steps }: Remedy, around: Surroundings): Promise<void> {
  for (const step of steps) await take(step, around);
}

async function take(step: RemedyStep, around: Surroundings): Promise<void> {
  const { cluster, home, blank = '' } = around;
  switch (step.kind) {
    case 'pgcellar':
      await shell(stepText(step, [await programPath(home), '-c', home.configFile]), around);
      return;
    case 'shell':
    case 'root':
      await shell(stepText(step, []), around);
      return;
    case 'host':
      await onHost(step.words.join(' '), cluster);
      return;
    case 'sql':
      await cluster.query(step.text.replace('…', blank));
      return;
    case 'hba':
      await prepend(join(cluster.dataDir, 'pg_hba.conf'), step.text);
      return;
    case 'setting':
      around.section = laidOver(around.section, step.text.replaceAll('…', blank));
      await home.writeServer(around.serverName, around.section);
      return;
    case 'note':
      return;
  }
}

async function shell(line: string, { home, env = {}, path = [] }: Surroundings): Promise<void> {
  await promisify(execFile)('/bin/sh', ['-c', line], { env: home.env({ more: env, path }), cwd: '/' });
}

async function onHost(command: string, cluster: PostgresServer): Promise<void> {
  if (command === 'systemctl restart postgresql') await cluster.restart();
  else if (command === 'systemctl start postgresql') await cluster.start();
  else throw new Error(`nobody knows how to ${command}`);
}

async function prepend(path: string, line: string): Promise<void> {
  await writeFile(path, `${line}\n${await readFile(path, 'utf8')}`);
}

/** The section with other lines; one that is a comment takes out what it names. */
function laidOver(section: IniSection, text: string): IniSection {
  const options = new Map(Object.entries(section));
  for (const line of text.split('\n')) {
    const left = /^; (\w+) is left out$/.exec(line)?.[1];
    const [, key = '', value = ''] = /^(\w+) =\s?(.*)$/.exec(line) ?? [];
    if (left === undefined) options.set(key, value);
    else options.delete(left);
  }
  return Object.fromEntries(options);
}
