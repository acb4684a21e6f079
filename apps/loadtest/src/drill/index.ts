export type { Drill, DrillContext, DrillOptions, DrillResult } from './drill.ts';
export { DRILLS } from './drills/index.ts';
export { markdownDrills, printDrills } from './print.ts';
export { type DrillRun, passed, type RunHooks, runDrills } from './run.ts';
