import { type ContinuityReport, readContinuity } from '../../catalog/wal/read-continuity.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import type { Check, CheckFacts, CheckTools } from '../check.ts';
import { describeHole } from '../describe-hole.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Holes that fit into a line. */
const mostDescribed = 5;

/** No WAL is missing between any backup and the newest WAL. A new backup is the cure, so that a hole keeps none from starting. */
export const walContinuity: Check = {
  name: 'WAL continuity',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning:
    'WAL is missing between a backup and the newest WAL: the hint names the first and last missing segment of each hole, and the backups that cannot be restored past it (or at all). Segments that wait to be archived are no hole, nor is missing WAL after a backup that is kept `standalone`.',
  remedies: ['wal-lost'],
  isShownOnlyWhenFailed: true,
  async run(facts, tools) {
    const holes = (await continuityOf(facts, tools))?.holes ?? [];
    if (holes.length === 0) return undefined;
    const more = holes.length - mostDescribed;
    const described = holes.slice(0, mostDescribed).map(describeHole).join('; ');
    const hint = `${described}${more > 0 ? `; and ${String(more)} more` : ''}`;
    const cutOff = [...new Set(holes.flatMap((hole) => [...hole.cutOff, ...hole.unusable]))];
    const { errors } = facts.server.layout;
    return failed(hint, mendedBy('wal-lost', { hole: holes.map(describeHole)[0] ?? '', errors, cutOff }));
  },
};

/** An index that cannot be read is what the line `wal size` says. */
async function continuityOf({ server, backups }: CheckFacts, { context }: CheckTools): Promise<ContinuityReport | undefined> {
  const { config } = server;
  try {
    return await readContinuity({ server, backups, isPassive: config.isPassive }, context);
  } catch (error) {
    const reason = expectedFailureOf(error);
    if (reason === undefined || reason.code === 'interrupted') throw error;
    context.log.debug(`the continuity of the WAL archive of server '${config.name}' is not known: ${reason.message}`);
    return undefined;
  }
}
