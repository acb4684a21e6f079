import net from 'node:net';
import { launchServer, HttpClient, signToken } from '@gapless/testkit';
const s = await launchServer();
const admin = new HttpClient(s.url, await signToken('backend',{role:'admin'}));
for (const uid of ['a\0b','\ud800','a/b','..',' ','é']) {
  const r = await admin.call('POST','/v1/conversations',{kind:'group',participants:[uid,'x']});
  const cid=r.body.cid;
  console.log(JSON.stringify(uid), r.status, JSON.stringify(r.body.participants?.map((p:any)=>p.userId)));
  if (cid) { const d = await admin.call('DELETE',`/v1/conversations/${cid}/participants/${encodeURIComponent(uid.toWellFormed())}`); 
  const after=(await admin.call('GET',`/v1/conversations/${cid}`)).body; console.log('  delete',d.status, after.participantCount, JSON.stringify(after.participants?.map((p:any)=>p.userId))); }
}
const k = net.connect(s.port,'127.0.0.1',()=>k.write('GET /livez HTTP/1.1\r\nHost:'));
k.on('error',()=>{});
await new Promise(r=>k.on('connect',()=>setTimeout(r,200)));
let t=Date.now(); console.log('stop with half a request', await s.stop(), Date.now()-t, s.output().slice(-300));
const s2 = await launchServer();
const k2 = net.connect(s2.port,'127.0.0.1',()=>{}); k2.on('error',()=>{}); await new Promise(r=>k2.on('connect',()=>setTimeout(r,200)));
t=Date.now(); console.log('stop with silent tcp', await s2.stop(), Date.now()-t);
process.exit(0)
