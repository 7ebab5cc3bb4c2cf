import type { Server } from '../config/server.ts';
import type { Messages } from '../shared/messages.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { CommandDeclaration, ServerStateRule } from './command.ts';

/**
 * The servers that a command works on (docs/reference/cli.md section 2). Unknown names are told and the others go on; so are those that the command
 * skips or refuses.
 * @param names as typed; `all` means every server
 */
export function selectServers(
  names: readonly string[],
  known: readonly Server[],
  declaration: CommandDeclaration,
  messages: Messages,
): Server[] {
  if (declaration.servers === 'one' && names.includes('all')) {
    throw new OperatorError('unknown-server', "You cannot use 'all' in a single server context");
  }
  const wantsAll = names.includes('all');
  if (wantsAll && new Set(names).size > 1) messages.error("You cannot use 'all' with other server names");
  const wanted = wantsAll ? known.map(({ config }) => config.name) : [...new Set(names)].toSorted();
  const chosen: Server[] = [];
  for (const name of wanted) {
    const server = known.find(({ config }) => config.name === name);
    if (server === undefined) messages.error(`Unknown server '${name}'`);
    else if (isWorkedOn(server, declaration, messages)) chosen.push(server);
  }
  return chosen;
}

function isWorkedOn({ config }: Server, declaration: CommandDeclaration, messages: Messages): boolean {
  const { whenInactive = 'run', whenDisabled = 'run', whenPassive = 'run' } = declaration;
  const [problem] = config.problems;
  if (
    !config.isActive &&
    !applies(whenInactive, messages, {
      skip: `Skipping inactive server '${config.name}'`,
      error: `Inactive server: ${config.name}`,
    })
  )
    return false;
  if (
    problem !== undefined &&
    !applies(whenDisabled, messages, { skip: `Skipping temporarily disabled server '${config.name}'`, error: problem })
  )
    return false;
  return (
    !config.isPassive ||
    applies(whenPassive, messages, {
      skip: `Skipping passive server '${config.name}'`,
      error: `Passive server: ${config.name}`,
    })
  );
}

function applies(rule: ServerStateRule, messages: Messages, texts: { skip: string; error: string }): boolean {
  if (rule === 'skip') messages.info(texts.skip);
  if (rule === 'error') messages.error(texts.error);
  return rule === 'run';
}
