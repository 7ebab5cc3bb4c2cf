import { type ContinuityReport, readContinuity } from '../../catalog/read-continuity.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import type { Check, CheckFacts, CheckTools } from '../check.ts';
import { describeHole } from '../describe-hole.ts';
import { failed } from '../verdict.ts';

/** Holes that fit into a line. */
const mostDescribed = 5;

/** No WAL is missing between any backup and the newest WAL. A new backup is the cure, so that a hole keeps none from starting. */
export const walContinuity: Check = {
  name: 'WAL continuity',
  appliesTo: 'every',
  isCritical: false,
  async run(facts, tools) {
    const holes = (await continuityOf(facts, tools))?.holes ?? [];
    if (holes.length === 0) return undefined;
    const more = holes.length - mostDescribed;
    const described = holes.slice(0, mostDescribed).map(describeHole).join('; ');
    return failed(`${described}${more > 0 ? `; and ${String(more)} more` : ''}`);
  },
};

/** An index that cannot be read is what the line `wal size` says. */
async function continuityOf({ server, backups }: CheckFacts, { context }: CheckTools): Promise<ContinuityReport | undefined> {
  const { layout, config, programPath: path, environment } = server;
  try {
    return await readContinuity({ layout, backups, surroundings: { path, environment }, isPassive: config.isPassive }, context);
  } catch (error) {
    const reason = expectedFailureOf(error);
    if (reason === undefined || reason.code === 'interrupted') throw error;
    context.log.debug(`the continuity of the WAL archive of server '${config.name}' is not known: ${reason.message}`);
    return undefined;
  }
}
