import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { serverOptionNames } from '../../config/options.ts';
import type { Server } from '../../config/server.ts';
import type { ModelConfig } from '../../config/server-config.ts';
import type { Context } from '../../shared/context.ts';
import { removeFileDurably, writeFileDurably } from '../../shared/durable-file.ts';
import { pathExists } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { OptionChange } from '../reports/server-reports.ts';
import { optionFact } from '../server/show-server.ts';
import { restartReceiver } from '../wal/restart-receiver.ts';

interface Switching {
  readonly models: readonly ModelConfig[];
  /** Reads the server's configuration anew. */
  readonly reload: () => Server;
  /** The beginning of a command line of ours. */
  readonly self: readonly string[];
  /** Told of each option that gets another value. */
  readonly onChange: (change: OptionChange) => void;
}

/**
 * Lays a model over a server, or with no name takes it off again: `config-switch` (docs/reference/cli.md section 11.3). Its name is stored beside the
 * catalog, and every later command reads it there; the receiver is restarted when something changed.
 * @throws OperatorError `configuration-invalid` for a model that is unknown or of another cluster; then nothing is changed
 */
export async function switchModel(
  server: Server,
  modelName: string | undefined,
  { models, reload, self, onChange }: Switching,
  context: Context,
): Promise<void> {
  const { name, activeModel } = server.config;
  const file = join(server.layout.root, '.active-model.auto');
  if (modelName === undefined) {
    context.messages.info(`Resetting the active model for the server ${name}`);
    if (!(await pathExists(file))) return;
    await removeFileDurably(file);
    await restartReceiver(reload(), self, context);
    return;
  }
  const model = fittingModel(server, modelName, models);
  if (activeModel === modelName) {
    context.messages.info(`Model '${modelName}' is already active for server '${name}', skipping...`);
    return;
  }
  context.messages.info(`Applying model '${modelName}' to server '${name}'`);
  await writeFileDurably(file, modelName);
  const changed = reload();
  changesBetween(server, changed, model).forEach(onChange);
  for (const problem of changed.config.problems) context.messages.warning(problem);
  await restartReceiver(changed, self, context);
}

function fittingModel({ config }: Server, modelName: string, models: readonly ModelConfig[]): ModelConfig {
  const model = models.find(({ name }) => name === modelName);
  if (model === undefined) {
    const fitting = models.filter(({ cluster }) => cluster === config.options.cluster).map(({ name }) => name);
    throw new OperatorError('configuration-invalid', `Unknown model '${modelName}'`, {
      hint:
        fitting.length === 0
          ? `no model has cluster = ${config.options.cluster}`
          : `models of this server: ${fitting.join(', ')}`,
    });
  }
  if (model.cluster === config.options.cluster) return model;
  throw new OperatorError(
    'configuration-invalid',
    `Model '${modelName}' has 'cluster=${model.cluster}', which is not compatible with 'cluster=${config.options.cluster}' from server '${config.name}'`,
  );
}

/** Options that the model sets, where that changed something. */
function changesBetween(before: Server, after: Server, model: ModelConfig): readonly OptionChange[] {
  const { name: serverName } = before.config;
  return serverOptionNames
    .filter((option) => model.sources[option] !== undefined)
    .map((option) => ({
      option,
      serverName,
      was: optionFact(before, option),
      is: optionFact(after, option),
      modelName: model.name,
    }))
    .filter(({ was, is }) => !isDeepStrictEqual(was, is));
}
