// Two hosts of a test on one machine, each behind an sshd of its own: the nodes of a cluster, and the backup host under the name `backup`.
import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { serverUser } from '../machine/server-user.mjs';
import { inheritedMarks } from './marked-processes.ts';
import { programPath } from './run-pgcellar.ts';
import { type Sshd, startSshd } from './start-sshd.ts';
import type { TestHome } from './test-home.ts';

export interface TwoHosts extends AsyncDisposable {
  /** Environment of a program on a node: its `ssh` knows both hosts, the nodes by their address. */
  readonly env: NodeJS.ProcessEnv;
  /** `user@backup`. */
  readonly backup: string;
  readonly backupUser: string;
  /** The user of the servers. */
  readonly nodeUser: string;
}

interface Hosts {
  /** For what the hosts need on disk. */
  readonly folder: string;
  /** Of the backup host. */
  readonly home: TestHome;
  /** What a login on a node finds in its PATH, name to path. */
  readonly programs: Readonly<Record<string, string>>;
}

/** The user of the servers logs in to both hosts, and so does the backup host to the nodes. */
export async function startTwoHosts({ folder, home, programs }: Hosts): Promise<TwoHosts> {
  const nodeUser = serverUser()?.name ?? userInfo().username;
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const ssh = join(bin, 'ssh');
  const config = join(folder, 'ssh_config');
  await writeFile(ssh, `#!/bin/sh\nexec /usr/bin/ssh -F ${config} "$@"\n`, { mode: 0o755 });
  const marks = { PGCELLAR_TEST_HOME: home.folder, HOME: home.userHome, BARMAN_CONFIG_FILE: home.configFile };
  const ours = { barman: await programPath(home, 'barman'), pgcellar: await programPath(home), ssh };
  const backup = await startSshd({ client: 'server', programs: ours, env: marks });
  const restore = await programPath(home, 'pgcellar-wal-restore');
  const onNodes = { ...programs, ssh, 'pgcellar-wal-restore': restore };
  const nodes = await startSshd({ client: 'server', user: nodeUser, programs: onNodes });
  await writeFile(config, `${hostText('backup', backup)}${hostText('127.0.0.1', nodes)}`);
  const path = [bin, ...Object.values(onNodes).map((program) => join(program, '..')), join(process.execPath, '..')];
  return {
    env: { ...inheritedMarks(), PATH: [...new Set(path), '/usr/bin', '/bin'].join(':'), LC_ALL: 'C.UTF-8', HOME: folder },
    backup: `${backup.user}@backup`,
    backupUser: backup.user,
    nodeUser,
    [Symbol.asyncDispose]: async () => {
      await nodes[Symbol.asyncDispose]();
      await backup[Symbol.asyncDispose]();
    },
  };
}

function hostText(name: string, { port, identityFile, knownHostsFile }: Sshd): string {
  const lines = [
    'HostName 127.0.0.1',
    `Port ${String(port)}`,
    `IdentityFile ${identityFile}`,
    'IdentitiesOnly yes',
    `UserKnownHostsFile ${knownHostsFile}`,
    'StrictHostKeyChecking yes',
    'BatchMode yes',
  ];
  return `Host ${name}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
