import { readSetting } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** The server archives its WAL, when that is how it reaches us. */
export const archiveMode: Check = {
  name: 'archive_mode',
  appliesTo: 'active',
  isCritical: true,
  async run({ server, connection }) {
    const access = accessible(connection);
    if (!server.config.options.archiver || access === undefined) return undefined;
    const mode = await readSetting(access.connection, 'archive_mode');
    return mode === 'on' || mode === 'always' ? passed() : failed("please set it to 'on' or 'always'");
  },
};
