import { isAbsolute } from 'node:path';
import { OperatorError } from '../../shared/operator-error.ts';
import type { BackupSource } from '../content/backup-source.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import type { Refuse } from './refusals.ts';

type Ways = Pick<RestoreRequest, 'destination' | 'isDelta' | 'remoteSshCommand' | 'stagingLocation' | 'stagingWalDirectory'>;

/** docs/reference/cli.md section 9: what cannot go together. */
export function refuseImpossibleWays(ways: Ways, { leaf, members }: BackupSource, refuse: Refuse): void {
  const { isDelta, remoteSshCommand, stagingLocation } = ways;
  const isPlain = members.length === 1 && leaf.form === 'plain';
  const stagesThere = stagingLocation === 'remote' && !isPlain;
  if (stagesThere && remoteSshCommand === undefined) {
    refuse(new OperatorError('options-contradict', 'a remote staging location needs --remote-ssh-command'));
  }
  if (isDelta && !isPlain && (remoteSshCommand === undefined || stagesThere)) {
    refuse(
      new OperatorError(
        'options-contradict',
        'a delta restore needs a plain backup, not an incremental, compressed or encrypted one',
        {
          hint: 'restore into an empty folder',
        },
      ),
    );
  }
  if (remoteSshCommand !== undefined) refuseRelativePaths(ways, refuse);
}

/** This host's working folder says nothing about another one. */
function refuseRelativePaths({ destination, stagingWalDirectory }: Ways, refuse: Refuse): void {
  for (const path of [destination, stagingWalDirectory]) {
    if (path === undefined || isAbsolute(path)) continue;
    refuse(new OperatorError('destination-unusable', `the path of a folder on another host must be absolute, not ${path}`));
  }
}
