import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';

export const receiveWalCommand = declareCommand({
  name: 'receive-wal',
  summary: 'Receive WAL of a server until told to stop, or manage its receiver and slot',
  servers: 'one',
  endsGracefully: true,
  options: [
    { name: 'stop', kind: 'flag', summary: 'stop the running receiver (older name of terminate-process SERVER receive-wal)' },
    { name: 'reset', kind: 'flag', summary: 'reset the streaming folder to a position that the server can continue from' },
    { name: 'create-slot', kind: 'flag', summary: 'create the replication slot' },
    { name: 'if-not-exists', kind: 'flag', summary: 'with --create-slot: do nothing if the slot exists' },
    { name: 'drop-slot', kind: 'flag', summary: 'drop the replication slot' },
  ],
  examples: ['receive-wal main', 'receive-wal --create-slot main', 'receive-wal --reset main'],
  async run({ application, servers: [server], options }) {
    if (server === undefined) return;
    const { config } = server;
    const { context } = application;
    const stops = options.flag('stop');
    if (stops && options.flag('reset'))
      throw new OperatorError('options-contradict', 'You cannot specify both --stop and --reset', {
        asBarman: '--stop and --reset options are not compatible',
      });
    const [problem] = config.problems;
    if (problem !== undefined) throw new OperatorError('server-disabled', problem);
    const work = await import('../../operations/wal/receive-wal.ts');
    if (stops) {
      context.messages.warning(
        `--stop is deprecated and will be removed in a future release. Use '${application.programName} terminate-process ${config.name} receive-wal' instead.`,
        { logged: false, isOnlyBarmans: true },
      );
      await work.stopReceiver(server, context);
      return;
    }
    const managesSlot = options.flag('create-slot') || options.flag('drop-slot');
    if (!config.isActive && (managesSlot || options.flag('reset'))) {
      throw new OperatorError('server-disabled', `Inactive server: ${config.name}`, { hint: 'set active = true first' });
    }
    if (!config.isActive) {
      context.messages.info(`Skipping inactive server '${config.name}'`);
      return;
    }
    if (config.isPassive) throw new OperatorError('server-disabled', `Passive server: ${config.name}`);
    if (options.flag('create-slot')) {
      await work.createServerSlot(server, { mayExist: options.flag('if-not-exists') }, context);
      return;
    }
    if (options.flag('drop-slot')) {
      await work.dropServerSlot(server, context);
      return;
    }
    if (options.flag('reset')) {
      await work.resetReceiver(server, context);
      return;
    }
    await work.runReceiver(server, context);
  },
});
