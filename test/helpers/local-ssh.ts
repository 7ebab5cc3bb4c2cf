// What stands for ssh where a test is about neither network nor login: runs the remote command here, in an environment of its own.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programPath } from './run-pgcellar.ts';
import type { TestHome } from './test-home.ts';

const script = `#!/bin/sh
unset NODE_OPTIONS KILL_AT KILL_IN TMPDIR
while [ "$1" != "\${1#-}" ]; do
	case $1 in -p | -o) shift ;; esac
	shift
done
shift
exec sh -c "$*"
`;

/** Environment in which the helpers find this `ssh`, and a `barman` behind it that is ours. */
export async function localSsh(home: TestHome): Promise<NodeJS.ProcessEnv> {
  const folder = await home.makeFolder('local-ssh');
  await writeFile(join(folder, 'ssh'), script, { mode: 0o755 });
  const barman = await programPath(home, 'barman');
  return home.env({ path: [folder, join(barman, '..')], more: { BARMAN_CONFIG_FILE: home.configFile } });
}
