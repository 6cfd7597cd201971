"""The style sheet of the page of a ladder."""

from __future__ import annotations

from bothways.ladder.html_style import BASE

STYLE = (
    BASE
    + """
.failure{margin:1rem 0;padding:.9rem 1.1rem;border:1px solid var(--failed);border-left-width:.5rem;
border-radius:.5rem;background:var(--alarm)}
.failure p{margin:0 0 .4rem;font-weight:600}.failure .at{color:var(--failed)}
.failure dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
.failure dt{color:var(--soft)}
.failure .hint{font-weight:600}.failure h3{margin:.6rem 0 .2rem}
.causes{margin:0;padding-left:1.4rem}
.causes li+li{margin-top:.4rem}
.causes span,.causes code{display:block}
.seen{color:var(--soft)}
.told{border-left-width:1px;background:var(--card);border-color:var(--edge)}
.told p{font-weight:400}
.strip{display:flex;flex-wrap:wrap;gap:.5rem 1.4rem;margin:1.1rem 0 0;padding:0;list-style:none}
.strip ol{display:inline-flex;flex-wrap:wrap;gap:.25rem;margin:0;padding:0;list-style:none}
.strip>li>span{display:block;font-size:.8rem;color:var(--soft)}
.strip a{display:block;min-width:1.5rem;padding:.1rem .4rem;border:1px solid var(--edge);border-radius:.4rem;
background:var(--card);text-decoration:none;font-size:.85rem;font-variant-numeric:tabular-nums}
.strip a:hover{border-color:var(--ink)}
.strip .failed a{background:var(--alarm);border-color:var(--failed);font-weight:700}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;margin:1.2rem 0 .6rem;padding:0;list-style:none;
font-size:.85rem;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:.5rem}
.legend .shaft{width:3.2rem}
.ladder{--g:4.4rem;margin-top:.6rem}
.heads{position:sticky;top:0;z-index:2;display:flex;justify-content:space-between;gap:1rem;
padding:.5rem calc(var(--g) - 2.6rem);background:var(--paper);border-bottom:1px solid var(--edge)}
.heads p{margin:0;line-height:1.25;max-width:48%}
.heads b{display:block;font-size:1.1rem}
.heads span{font-size:.85rem;color:var(--soft)}
.heads p+p{text-align:right}
.band{position:relative;padding:.7rem 0 .9rem}
.band:nth-child(odd){background:var(--band)}
.band h2{display:flex;gap:.6rem;justify-content:center;padding:0 calc(var(--g) + 1rem) .5rem;text-align:center}
.band h2 span{color:var(--soft)}
.empty h2{font-weight:400;color:var(--soft);padding-bottom:0}
.band ol{margin:0;padding:0;list-style:none}
.band::before,.band::after{content:"";position:absolute;top:0;bottom:0;width:0;border-left:2px solid var(--life)}
.band::before{left:var(--g)}.band::after{right:var(--g)}
.event{position:relative;z-index:1;margin:0 var(--g);padding:.12rem 0}
.time{position:absolute;right:100%;width:calc(var(--g) - .8rem);margin-right:.8rem;text-align:right;
font-size:.78rem;line-height:1.7;color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
.arrow{padding:.35rem 0}
.from-server .label{justify-content:flex-end}
summary{cursor:pointer;list-style:none;padding:0;border-radius:.3rem}
summary::-webkit-details-marker{display:none}
summary:hover .name{text-decoration:underline;text-underline-offset:.2em}
.label{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .55rem;padding:0 1.1rem;line-height:1.35}
.name{font-weight:650}
summary .name::after{content:" ▸";font-weight:400;color:var(--soft)}
[open]>summary .name::after{content:" ▾"}
.id{padding:0 .32rem;border:1px solid var(--edge);border-radius:.35rem;background:var(--card);font-size:.8rem;
font-variant-numeric:tabular-nums;white-space:nowrap}
.size{font-size:.8rem;color:var(--soft)}
.gist{padding:0 1.1rem;font-size:.86rem;line-height:1.4;color:var(--soft)}
.from-server .gist{text-align:right}
.shaft{display:block;position:relative;height:12px;color:var(--plain)}
.shaft::before{content:"";position:absolute;left:2px;right:2px;top:5px;border-top:2px dashed}
.shaft::after{content:"";position:absolute;top:0;right:1px;border:6px solid transparent;
border-left:11px solid;border-right:0}
.from-server .shaft::after{right:auto;left:1px;border-left:0;border-right:11px solid}
.k-handshake .shaft,.shaft.k-handshake{color:var(--handshake)}
.k-handshake .shaft::before,.shaft.k-handshake::before{border-top-style:solid}
.k-application .shaft,.shaft.k-application{color:var(--application)}
.k-application .shaft::before,.shaft.k-application::before{top:3px;border-top:6px double}
.from-client.k-application .shaft::before,.shaft.k-application::before{right:10px}
.from-server.k-application .shaft::before{left:10px}
.lost .shaft::after{content:"✕";border:0;font:700 18px/12px system-ui,sans-serif;color:var(--failed)}
.alert .name{color:var(--failed)}
.close .name{color:inherit}
.stray{color:var(--failed);font-size:.86rem;font-weight:600}
.remark{display:flex;gap:.5rem;align-items:baseline;max-width:80%;padding-left:1.1rem;font-size:.92rem;
line-height:1.4}
.by-server{margin-left:auto;margin-right:var(--g);padding:.12rem 1.1rem .12rem 0;justify-content:flex-end;
text-align:right;max-width:calc((100% - 2 * var(--g)) * .9)}
.by-client{max-width:calc((100% - 2 * var(--g)) * .9)}
.refused.by-server .failure{text-align:left}
.remark summary{display:inline;text-decoration:underline dotted;text-underline-offset:.2em}
.remark .time{margin-right:1.05rem;width:calc(var(--g) - 1.05rem)}
.by-server .time{right:auto;left:100%;text-align:left;margin:0 0 0 1.05rem}
.mark{position:absolute;left:-.68em;top:.16rem;width:1.36em;height:1.36em;border:2px solid;border-radius:50%;
background:var(--card);text-align:center;font-weight:700;font-size:.88rem;line-height:1.1em}
.by-server .mark{left:auto;right:-.68em}
.mark.dot{width:.7em;height:.7em;left:-.35em;top:.5rem;background:currentColor}
.by-server .mark.dot{left:auto;right:-.35em}
.quiet{color:var(--soft);font-size:.86rem}
.refused{max-width:none;display:block;margin-top:.5rem;margin-bottom:.5rem}
.refused.by-server{margin-left:var(--g);padding-left:1.1rem}
.refused.by-client{padding-right:1.1rem}
.refused .failure{margin:0}
.opened{margin:.5rem 1.1rem .8rem;padding:.7rem .9rem;border:1px solid var(--edge);border-radius:.5rem;
background:var(--card);font-size:.88rem}
table{width:100%;border-collapse:collapse}
.opened p{margin:0 0 .4rem}
caption{text-align:left;font-weight:600;padding-bottom:.3rem}
th{width:16rem;padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;font-weight:400;color:var(--soft)}
td{padding:.2rem 0;vertical-align:top}
tr+tr>*{border-top:1px solid var(--edge)}
td ul{margin:0;padding-left:1.1rem}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.92em}
pre{margin:.3rem 0 0;max-height:18rem;overflow:auto;line-height:1.35}
.opened h3{margin-top:.9rem;font-size:.88rem}
.steps{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem 2rem}
.steps ol{margin:.3rem 0 0;padding:0;list-style:none;font-size:.92rem}
.steps li li{display:grid;grid-template-columns:3.7rem 1fr;gap:.2rem .6rem;padding:.15rem 0}
.steps li li:target{outline:3px solid var(--application)}
.steps>ol{display:contents}
.foot{margin-top:2rem;color:var(--soft);font-size:.85rem}
@media (max-width:40rem){
.ladder{--g:.9rem;margin-left:-.2rem;margin-right:-.2rem}
.heads{padding:.4rem .2rem}
.time{position:static;display:inline;width:auto;margin:0 .6rem 0 0;order:9}
.arrow>.time{position:absolute;right:1.1rem;top:.35rem;margin:0;display:none}
.remark .time,.by-server .time{display:none}
.label,.gist{padding-left:.8rem;padding-right:.8rem}
.opened{margin:.4rem .5rem}
.remark,.by-client,.by-server{max-width:92%}
.refused,.refused.by-server,.refused.by-client{max-width:none;padding-right:.8rem;padding-left:.8rem}
.failure dl{grid-template-columns:1fr;gap:0}
.failure dd{margin-bottom:.3rem}
table,tbody,tr,th,td{display:block;width:100%}
tr+tr>*{border:0}tr+tr{border-top:1px solid var(--edge)}
.opened{font-size:.86rem}
}
@media (forced-colors:active){.mark,.shaft{forced-color-adjust:none}}
@media print{
.steps{grid-template-columns:1fr 1fr}
.heads{position:static}
.event,.failure,.steps li li{break-inside:avoid}
.band h2{break-after:avoid}
.band,.failure,.mark{print-color-adjust:exact}
pre{max-height:none;white-space:pre-wrap}
summary .name::after{content:""!important}
}
"""
)
