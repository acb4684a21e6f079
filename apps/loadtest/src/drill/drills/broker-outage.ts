import type { RunningService } from '@gapless/launch';
import type { Drill, DrillContext } from '../drill.ts';
import { missing, openKafka, openNats, openPostgres, openRedis, REDIS_WITH_FILE, type ServiceName } from '../services.ts';
import { perform, type Stage } from '../stage.ts';
import { bringBack, takeAway } from './outage.ts';

interface BrokerKind {
  readonly name: string;
  readonly service: ServiceName;
  readonly called: string;
  open(context: DrillContext): Promise<RunningService>;
}

export const redisOutage = brokerOutage({
  name: 'redis-outage',
  service: 'redis',
  called: 'Redis',
  open: (context) => openRedis(context, REDIS_WITH_FILE),
});

export const natsOutage = brokerOutage({ name: 'nats-outage', service: 'nats', called: 'NATS', open: openNats });

export const kafkaOutage = brokerOutage({ name: 'kafka-outage', service: 'kafka', called: 'Kafka', open: openKafka });

function brokerOutage({ name, service, called, open }: BrokerKind): Drill {
  return {
    name,
    what: `${called}, which the nodes talk over, is stopped for 10 s and started with its data: messages go on, and nobody misses one.`,
    missing: () => missing('postgres', service),
    async run(context) {
      const postgres = await openPostgres(context);
      const broker = await open(context);
      return perform(context, {
        cluster: { nodes: 2, store: await postgres.createDatabase(), broker: broker.url },
        fault: (stage) => goOnWithout(stage, broker, called),
      });
    },
  };
}

/** However long it takes to notice: in the second half of the outage messages go on. */
async function goOnWithout(stage: Stage, broker: RunningService, called: string): Promise<void> {
  const { first, middle, last } = await takeAway(stage, broker, called);
  const goesOn = last.accepted + last.saved > middle.accepted + middle.saved;
  if (!goesOn) stage.broken(`no send was acked in the second half of the outage of ${called}`);
  stage.note(`while ${called} was away: ${last.accepted - first.accepted} acked as accepted, ${last.saved - first.saved} as saved`);
  await bringBack(stage, broker, called);
}
