import { readSetting } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** The server archives its WAL, when that is how it reaches us. */
export const archiveMode: Check = {
  name: 'archive_mode',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'It is off.',
  remedies: ['archive-mode-off'],
  async run({ server, connection }) {
    const access = accessible(connection);
    if (!server.config.options.archiver || access === undefined) return undefined;
    const mode = await readSetting(access.connection, 'archive_mode');
    if (mode === 'on' || mode === 'always') return passed();
    return failed("please set it to 'on' or 'always'", mendedBy('archive-mode-off', { mode: mode ?? 'unknown' }));
  },
};
