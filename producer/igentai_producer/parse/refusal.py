"""Replies that decline. They count as answers with nothing in them (DESIGN.md section 8)."""

from __future__ import annotations

import re
from typing import Final

from igentai_producer.parse.words import capitals, is_caseless

_OPENING: Final = 600  # characters in which a refusal says so

_REFUSES: Final = re.compile(
    r"\b(?:i|we)(?:['’]m| am| are)?(?: (?:sorry|afraid|really|truly))*[, ]*(?:but )?(?:i |we )?"
    r"(?:can['’]?t|cannot|can not|won['’]t|will not|am not able|['’]m not able|not able|unable|must decline|"
    r"am unable|have to decline|"
    r"do not feel comfortable|don['’]t feel comfortable|not comfortable) ?(?:to )?"
    r"(?:help|assist|provid|comply|fulfil|generat|creat|answer|do that|do this|discuss|support|list|produc|"
    r"share|give|continue|"
    r"engage|write|offer|respond|participat|complet|with)"
    r"|\bi(?:['’]m| am) sorry,? but\b|\bi(?:['’]m| am) (?:not able|unable) to\b|\bi must (?:respectfully )?decline\b"
    r"|\bas an ai(?: language model| assistant)?,? i (?:can|do|am|must|['’]m)"
    r"|\bi (?:can['’]t|cannot|won['’]t) (?:help|assist|comply|do)\b|\bagainst my (?:guidelines|programming|"
    r"policies)\b"
    r"|lo siento,? (?:pero )?no puedo|no puedo (?:ayudar|proporcionar|cumplir|generar)|"
    r"je suis désolée?,? (?:mais )?je ne peux"
    r"|je ne peux pas (?:vous |t['’])?(?:aider|fournir|répondre)|(?:es )?tut mir leid,? (?:aber )?|"
    r"dabei kann ich (?:dir |ihnen )?nicht"
    r"|desculpe,? (?:mas )?(?:eu )?não posso|não posso (?:ajudar|fornecer)|mi dispiace,? (?:ma )?non posso|"
    r"non posso (?:aiutar|fornir)"
    r"|(?:извините|простите|к сожалению),? (?:но )?(?:я )?не могу|я не могу (?:помочь|предоставить|выполнить)"
    r"|(?:抱歉|对不起|對不起|很遗憾)[，,。 ]*(?:但)?我?(?:无法|無法|不能|不便)|我(?:无法|無法|不能)(?:提供|"
    r"帮助|协助|回答|满足)"
    r"|申し訳(?:ありません|ございません)|(?:すみません|ごめんなさい)[がけ、。]|お(?:手伝い|"
    r"答え)(?:することは)?でき(?:ません|かね)"
    r"|죄송(?:합니다|하지만)|도와드릴 수 없|제공할 수 없|(?:عذر[اًا]+|آسف|أعتذر).{0,20}(?:لا أستطيع|لا يمكنني|"
    r"لا أقدر)|لا يمكنني (?:مساعدت|تقديم)",
    re.IGNORECASE,
)
_YET_LISTS: Final = re.compile(
    r"\b(?:here(?:['’]s| is| are)|below (?:is|are)|some (?:of|examples)|the following|but (?:here|"
    r"i can (?:list|give|offer|provide|name|"
    r"share))|i can (?:list|name))\b|voici|aquí|hier sind|ecco|вот|以下|다음은|إليك",
    re.IGNORECASE,
)
_INSTEAD: Final = re.compile(
    r"\b(?:instead|i can (?:help|assist|offer (?:information|help|support))|i['’]d be (?:happy|glad)|"
    r"happy to help|would you like|"
    r"alternativ|resources|reach out|hotline|please (?:contact|seek|consult))\b",
    re.IGNORECASE,
)
_MANY: Final = 8  # a list this long was meant as an answer, whatever was said before it


def is_refusal(text: str, items: list[str]) -> bool:
    """Whether `text`, in which `items` were found, declines to answer.

    A model that says it cannot be exhaustive and then lists does not refuse; one that declines and lists what it would
    rather talk about does.
    """
    opening = text[:_OPENING]
    if not _REFUSES.search(opening):
        return False
    if all(_declines(item) for item in items):
        return True
    if len(items) >= _MANY:
        return False
    return _INSTEAD.search(text[: 4 * _OPENING]) is not None and _YET_LISTS.search(opening) is None


def _declines(item: str) -> bool:
    """Whether an item is a refusal that stood alone on its line, and not a title like I Can't Help Falling in Love."""
    return _REFUSES.search(item) is not None and (is_caseless(item) or capitals(item) < 0.8)
