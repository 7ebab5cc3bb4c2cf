// Does what doctor prints for a failed check, by the letter: the program's own commands, SQL, settings, and what a hand would do.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { RemedyStep } from '../../src/check/remedy.ts';
import type { PostgresServer } from './postgres-server.ts';
import { programPath } from './run-pgcellar.ts';
import type { Sshd } from './start-sshd.ts';
import type { IniSection, TestHome } from './test-home.ts';

/** A step as `doctor -f json` prints it. */
export interface PrintedStep {
  readonly kind: RemedyStep['kind'];
  readonly text: string;
}

interface Surroundings {
  readonly home: TestHome;
  readonly serverName: string;
  /** The server's section as it stands; settings are laid over it. */
  section: IniSection;
  readonly cluster: PostgresServer;
  /** What stands for `…` in a setting or in SQL. */
  readonly blank?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** How the host of PostgreSQL is reached, and the home folder there. */
  readonly sshd?: Sshd;
  readonly hostHome?: string;
}

/** Takes every step of a remedy but its notes, in order. */
export async function mend(steps: readonly PrintedStep[], around: Surroundings): Promise<void> {
  for (const step of steps) await take(step, around);
}

async function take({ kind, text }: PrintedStep, around: Surroundings): Promise<void> {
  const { cluster, home, blank = '' } = around;
  switch (kind) {
    case 'pgcellar':
    case 'shell':
    case 'root':
      await shell(text, around, '/');
      return;
    case 'host':
      await onHost(text, around);
      return;
    case 'sql':
      await cluster.query(text.replace('…', blank));
      return;
    case 'hba':
      await prepend(join(cluster.dataDir, 'pg_hba.conf'), text);
      return;
    case 'setting':
      around.section = laidOver(around.section, text.replaceAll('…', blank));
      await home.writeServer(around.serverName, around.section);
      return;
    case 'note':
      return;
  }
}

async function shell(line: string, { home, env = {} }: Surroundings, cwd: string): Promise<void> {
  const { PATH = '', ...others } = home.env({ more: env });
  const path = `${PATH}:${dirname(await programPath(home))}`; // `pgcellar` is typed by its name
  await promisify(execFile)('/bin/sh', ['-c', line], { env: { ...others, PATH: path }, cwd });
}

/** Services are those of the test; anything else is typed there. */
async function onHost(line: string, around: Surroundings): Promise<void> {
  const { cluster, sshd, hostHome } = around;
  if (line === 'systemctl restart postgresql') await cluster.restart();
  else if (line === 'systemctl start postgresql') await cluster.start();
  else if (line === 'systemctl start ssh' && sshd !== undefined) await sshd.restart();
  else if (hostHome !== undefined) await shell(line, around, hostHome);
  else throw new Error(`nobody knows how to ${line}`);
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
